import type { OrderViolation } from './order-check.ts'

/** What a run has come to. */
export interface Verdict {
  readonly report: string
  readonly violations: readonly OrderViolation[]
  /** What is not as it should be, a line each. */
  readonly off: readonly string[]
  /** What Ctrl-C has left undone. */
  readonly stoppedEarly: string | undefined
}

const INTERRUPTED = 130
const SHOWN_VIOLATIONS = 5

/** Prints it, and gives the exit code. */
export function tell({ report, violations, off, stoppedEarly }: Verdict, seed: number): number {
  console.log(`\n${report}\n`)
  for (const { rule, lane, detail } of violations.slice(0, SHOWN_VIOLATIONS)) {
    console.error(`In ${lane}, not so: ${rule}. ${detail}`)
  }
  if (stoppedEarly !== undefined) {
    console.log(`Stopped early: ${stoppedEarly}.`)
    return INTERRUPTED
  }
  if (off.length === 0) console.log(`All as expected for seed ${seed}.`)
  else console.error(`Off:\n${off.map((line) => `  ${line}`).join('\n')}`)
  return off.length === 0 ? 0 : 1
}
