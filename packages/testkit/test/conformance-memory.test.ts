import { readFileSync } from 'node:fs'
import {
  approvalStoreConformance,
  conformanceSummary,
  deadLetterStoreConformance,
  eventStoreConformance,
} from '@buslane/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { memoryHarness } from './support/memory-harness.ts'

const events = eventStoreConformance('memory', memoryHarness(), { describe, it })
const deadLetters = deadLetterStoreConformance('memory', memoryHarness(), { describe, it })
const approvals = approvalStoreConformance('memory', memoryHarness(), { describe, it })

it('the README of the memory store has the table of these results', () => {
  const readme = readFileSync(new URL('../../persistence-memory/README.md', import.meta.url), 'utf8')
  expect(readme).toContain(
    conformanceSummary({
      '`event-store/1`': events,
      '`dead-letter-store/1`': deadLetters,
      '`approval-store/1`': approvals,
    }),
  )
})
