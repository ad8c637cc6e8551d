import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { deadLetterStoreChecks, eventStoreChecks } from '@buslane/testkit/conformance'
import { expect, it } from 'vitest'

const ABSENT_IN_MEMORY = 2
const COUNTING_TESTS = 2

const suites = `
  import { describe, it } from 'node:test'
  import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
  import { memoryHarness } from './support/memory-harness.ts'

  eventStoreConformance('memory', memoryHarness(), { describe, it })
  deadLetterStoreConformance('memory', memoryHarness(), { describe, it })
`

const busTest = `
  import assert from 'node:assert/strict'
  import { it } from 'node:test'
  import { defineEvent } from '@buslane/core'
  import { createTestBus } from '@buslane/testkit'

  const Reminded = defineEvent('reminded')
  it('reminds after three days', async () => {
    await using bus = createTestBus()
    bus.on(Reminded, () => {})
    await bus.start()
    await bus.schedule(Reminded(), { delayMs: 3 * 86_400_000 })
    await bus.advance('3d')
    assert.equal(bus.recorded.handled(Reminded).length, 1)
  })
`

/** What Node's test runner prints. */
async function nodeTest(program: string): Promise<string> {
  const options = ['--conditions=@buslane/source', '--no-warnings', '--test-reporter=tap', '--input-type=module']
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [...options, '--eval', program], {
    cwd: import.meta.dirname,
    env,
    maxBuffer: 2 ** 24,
  })
  return stdout
}

it('makes a bus for tests under node:test', { timeout: 60_000 }, async () => {
  expect(await nodeTest(busTest)).toContain('\n# pass 1\n')
})

it('runs the suites under node:test too', { timeout: 60_000 }, async () => {
  const stdout = await nodeTest(suites)
  const tests = eventStoreChecks.length + deadLetterStoreChecks.length + COUNTING_TESTS
  expect(stdout).toContain(`\n# tests ${tests}\n`)
  expect(stdout).toContain(`\n# pass ${tests - ABSENT_IN_MEMORY}\n`)
  expect(stdout).toContain(`\n# skipped ${ABSENT_IN_MEMORY}\n`)
})
