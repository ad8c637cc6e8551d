import { readFileSync } from 'node:fs'
import { type CheckResult, conformanceSummary } from '@buslane/testkit/conformance'

export const readme = new URL('../README.md', import.meta.url)

const begin = '<!-- conformance: written by test/write-table.ts -->'
const end = '<!-- /conformance -->'

/** The README with the table of these results. */
export function readmeWith(events: readonly CheckResult[], deadLetters: readonly CheckResult[]): string {
  const text = readFileSync(readme, 'utf8')
  const table = conformanceSummary({ '`event-store/1`': events, '`dead-letter-store/1`': deadLetters })
  return `${text.split(begin)[0]}${begin}\n\n${table}\n\n${end}${text.split(end)[1]}`
}
