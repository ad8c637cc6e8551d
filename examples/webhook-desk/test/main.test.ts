import { spawn } from 'node:child_process'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const main = path.join(import.meta.dirname, '../src/main.ts')

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program; Ctrl-C comes with its first output if `interrupt` says so. */
const demo = (options: readonly string[], { interrupt = false } = {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=@buslane/source', main, ...options])
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (interrupt) child.kill('SIGINT')
      interrupt = false
    })
    child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })

describe('the program', { timeout: 120_000 }, () => {
  it('exits with 0 when all is as expected', async () => {
    const { code, stdout, stderr } = await demo(['--seed', '5'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('All as expected for seed 5.')
  })

  it('exits with 2 and says what is wrong with an option', async () => {
    const { code, stdout, stderr } = await demo(['--rate', 'fast'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^--rate must be a number from 0, not 'fast'\n\nUsage:/)
  })

  it('prints the report so far and exits with 130 on Ctrl-C', async () => {
    const { code, stdout } = await demo(['--rate', '200'], { interrupt: true })
    expect(code).toBe(130)
    expect(stdout).toMatch(/order violations {2}0\n\nStopped early: \d+ events were accepted and not handled\.\n$/)
  })
})
