import { readFileSync } from 'node:fs'
import {
  approvalStoreConformance,
  conformanceSummary,
  deadLetterStoreConformance,
  eventStoreConformance,
} from '@buslane/testkit/conformance'
import { afterAll, describe, expect, it } from 'vitest'
import { pgliteHarness } from './support/pglite-conformance-harness.ts'

const embedded = pgliteHarness()

const events = eventStoreConformance('PGlite', embedded.harness, { describe, it })
const deadLetters = deadLetterStoreConformance('PGlite', embedded.harness, { describe, it })
const approvals = approvalStoreConformance('PGlite', embedded.harness, { describe, it })

afterAll(() => embedded.close())

it('the README has the lines of these results in its table', () => {
  const table = conformanceSummary({
    '`event-store/1` on PGlite': events,
    '`dead-letter-store/1` on PGlite': deadLetters,
    '`approval-store/1` on PGlite': approvals,
  })
  const [, , ...lines] = table.split('\n')
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(lines.join('\n'))
})
