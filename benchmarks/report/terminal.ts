import type { Result } from '../harness/section.ts'
import { rowOf, verdict } from './format.ts'

const sides = (ours: string, rival: string, theirs: string): string =>
  theirs === '' ? rival : `${ours} beside ${rival}: ${theirs}`

/** One line per result, ratios first. */
export const terminalLine = (result: Result): string => {
  const row = rowOf(result)
  const goal = `${row.goal} ${verdict(row)}`.trim()
  return [
    row.figure.padStart(10),
    row.spread.padEnd(20),
    goal.padEnd(17),
    row.contest.padEnd(52),
    sides(row.ours, row.rival, row.theirs),
  ]
    .join('  ')
    .trimEnd()
}
