import { writeFileSync } from 'node:fs'

/** What a run found. Every figure at the end of `pnpm check` and `pnpm test` is a sum of these. */
export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** What a check exits with that cannot run on this machine, as under automake. */
export const SKIPPED = 77

export function addTallies(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((sum, tally) => sum + tally.passed, 0),
    failed: tallies.reduce((sum, tally) => sum + tally.failed, 0),
    skipped: tallies.reduce((sum, tally) => sum + tally.skipped, 0),
  }
}

/** `12 passed, 0 failed`, or `12 passed, 0 failed, 1 skipped`. */
export function tallyLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** How a script under scripts/ ends: prints its count, hands it to verify.ts, and sets the exit code. */
export function finish(what: string, tally: Tally): void {
  console.log(`${what} - ${tallyLine(tally)}`)
  const file = process.env['BUSLANE_TALLY']
  if (file !== undefined) writeFileSync(file, JSON.stringify(tally))
  if (tally.failed > 0) process.exitCode = 1
}
