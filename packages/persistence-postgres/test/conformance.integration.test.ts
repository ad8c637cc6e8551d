import { readFileSync } from 'node:fs'
import {
  approvalStoreConformance,
  conformanceSummary,
  deadLetterStoreConformance,
  eventStoreConformance,
} from '@buslane/testkit/conformance'
import { describe, expect, inject, it } from 'vitest'
import { postgresHarness } from './support/conformance-harness.ts'

const connectionString = inject('connectionString')

const events = eventStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })
const deadLetters = deadLetterStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })
const approvals = approvalStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })

it('the README has the lines of these results in its table', () => {
  const table = conformanceSummary({
    '`event-store/1` on Postgres': events,
    '`dead-letter-store/1` on Postgres': deadLetters,
    '`approval-store/1` on Postgres': approvals,
  })
  const [, , ...lines] = table.split('\n')
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(lines.join('\n'))
})
