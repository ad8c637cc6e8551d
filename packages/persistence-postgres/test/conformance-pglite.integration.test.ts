import { readFileSync } from 'node:fs'
import { conformanceSummary, deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { afterAll, describe, expect, it } from 'vitest'
import { pgliteHarness } from './support/pglite-conformance-harness.ts'

const embedded = pgliteHarness()

const events = eventStoreConformance('PGlite', embedded.harness, { describe, it })
const deadLetters = deadLetterStoreConformance('PGlite', embedded.harness, { describe, it })

afterAll(() => embedded.close())

it('the README has the lines of these results in its table', () => {
  const table = conformanceSummary({
    '`event-store/1` on PGlite': events,
    '`dead-letter-store/1` on PGlite': deadLetters,
  })
  const [, , ...lines] = table.split('\n')
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(lines.join('\n'))
})
