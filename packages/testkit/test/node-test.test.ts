import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { deadLetterStoreChecks, eventStoreChecks } from '@buslane/testkit/conformance'
import { expect, it } from 'vitest'

const file = path.join(import.meta.dirname, 'node-test/memory.node-test.ts')
const ABSENT_IN_MEMORY = 2
const COUNTING_TESTS = 2

it('runs the suites under node:test too', { timeout: 60_000 }, async () => {
  const options = ['--conditions=@buslane/source', '--no-warnings', '--test', '--test-reporter=tap', file]
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, options, { env, maxBuffer: 2 ** 24 })
  const tests = eventStoreChecks.length + deadLetterStoreChecks.length + COUNTING_TESTS
  expect(stdout).toContain(`\n# tests ${tests}\n`)
  expect(stdout).toContain(`\n# pass ${tests - ABSENT_IN_MEMORY}\n`)
  expect(stdout).toContain(`\n# skipped ${ABSENT_IN_MEMORY}\n`)
})
