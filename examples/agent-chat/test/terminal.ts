import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const main = path.join(import.meta.dirname, '../src/main.ts')
const LIMIT_MS = 60_000

/** The program, and somebody who types and reads. */
export interface Terminal {
  type(line: string): void
  /** Reads on until this appears. */
  read(text: string): Promise<void>
  /** Ctrl-C. */
  interrupt(): void
  /** kill -9. */
  kill(): Promise<void>
  /** Ctrl-D. Resolves with the exit code. */
  end(): Promise<number | null>
  /** All that was printed. */
  readonly output: string
}

export function openTerminal(...options: readonly string[]): Terminal {
  const child = spawn(process.execPath, [...process.execArgv, main, ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  let output = ''
  let readUpTo = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    process.stdout.write(text)
  })
  return {
    type(line) {
      process.stdout.write(`> ${line}\n`)
      child.stdin.write(`${line}\n`)
    },
    async read(text) {
      const givesUpAt = performance.now() + LIMIT_MS
      while (!output.includes(text, readUpTo)) {
        if (performance.now() > givesUpAt) throw new Error(`This never appeared: ${text}`)
        await sleep(20)
      }
      readUpTo = output.indexOf(text, readUpTo) + text.length
    },
    interrupt: () => void child.kill('SIGINT'),
    async kill() {
      process.stdout.write('\n*** kill -9 ***\n')
      child.kill('SIGKILL')
      await exited
    },
    async end() {
      child.stdin.end()
      const [code] = await exited
      return code
    },
    get output() {
      return output
    },
  }
}
