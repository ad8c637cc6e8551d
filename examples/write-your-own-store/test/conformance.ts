import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { harness } from './harness.ts'
import { readme, readmeWith } from './table.ts'

const events = eventStoreConformance('SQLite', harness, { describe, it })
const deadLetters = deadLetterStoreConformance('SQLite', harness, { describe, it })

void it('has the table of these results in its README', () => {
  assert.equal(readFileSync(readme, 'utf8'), readmeWith(events, deadLetters))
})
