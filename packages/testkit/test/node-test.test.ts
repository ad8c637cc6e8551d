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

it('runs the suites under node:test too', { timeout: 60_000 }, async () => {
  const options = ['--conditions=@buslane/source', '--no-warnings', '--test-reporter=tap', '--input-type=module']
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [...options, '--eval', suites], {
    cwd: import.meta.dirname,
    env,
    maxBuffer: 2 ** 24,
  })
  const tests = eventStoreChecks.length + deadLetterStoreChecks.length + COUNTING_TESTS
  expect(stdout).toContain(`\n# tests ${tests}\n`)
  expect(stdout).toContain(`\n# pass ${tests - ABSENT_IN_MEMORY}\n`)
  expect(stdout).toContain(`\n# skipped ${ABSENT_IN_MEMORY}\n`)
})
