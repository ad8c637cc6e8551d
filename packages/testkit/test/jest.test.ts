import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { deadLetterStoreChecks, eventStoreChecks } from '@buslane/testkit/conformance'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const ABSENT_IN_MEMORY = 2
const COUNTING_TESTS = 2

const busTest = `
  import { defineEvent } from '@buslane/core'
  import { memoryPersistence } from '@buslane/persistence-memory'
  import { createTestBus } from '@buslane/testkit'
  import { expect, it, jest } from '@jest/globals'

  const Reminded = defineEvent('reminded', { durable: true })
  const remindAfterThreeDays = async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Reminded, () => {}, { name: 'send' })
    await bus.start()
    await bus.schedule(Reminded(), { delayMs: 3 * 86_400_000 })
    await bus.advance('3d')
    expect(bus.recorded.handled(Reminded)).toHaveLength(1)
  }
  it('reminds after three days', remindAfterThreeDays)
  it('does so under fake timers', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] })
    await remindAfterThreeDays()
  })
`

const suites = `
  import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
  import { describe, it as test } from '@jest/globals'
  import { memoryHarness } from './support/memory-harness.ts'

  const it = (name, { timeout, skip }, body) => (skip ? test.skip : test)(name, body, timeout)
  eventStoreConformance('memory', memoryHarness(), { describe, it })
  deadLetterStoreConformance('memory', memoryHarness(), { describe, it })
`

/** What Jest says of the program, which it gets as one file of plain JavaScript. */
async function jest(program: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'buslane-jest-'))
  try {
    await build({
      stdin: { contents: program, resolveDir: import.meta.dirname },
      outfile: path.join(folder, 'some.test.mjs'),
      conditions: ['@buslane/source'],
      external: ['@jest/globals'],
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      logLevel: 'error',
    })
    const config = { rootDir: folder, testMatch: ['**/*.test.mjs'], transform: {}, cache: false }
    const bin = createRequire(import.meta.url).resolve('jest/bin/jest')
    const options = ['--experimental-vm-modules', '--no-warnings', bin, '--config', JSON.stringify(config)]
    const { stderr } = await promisify(execFile)(process.execPath, [...options, '--ci', '--runInBand'], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: '' },
      maxBuffer: 2 ** 24,
    })
    return stderr
  } finally {
    await rm(folder, { recursive: true })
  }
}

it('makes a bus for tests under Jest, with fake timers too', { timeout: 60_000 }, async () => {
  expect(await jest(busTest)).toContain('Tests:       2 passed, 2 total')
})

it('runs the suites under Jest too', { timeout: 60_000 }, async () => {
  const tests = eventStoreChecks.length + deadLetterStoreChecks.length + COUNTING_TESTS
  expect(await jest(suites)).toContain(
    `Tests:       ${ABSENT_IN_MEMORY} skipped, ${tests - ABSENT_IN_MEMORY} passed, ${tests} total`,
  )
})
