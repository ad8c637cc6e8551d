import type { SoakResult } from './soak-run.ts'

const SHOWN = 20

/** Prints what came out, the sum in the last line. Whether all is as it must be. */
export function printSoak(result: SoakResult): boolean {
  const { verdict, left, deadByReason, deadForNothing, kills, seconds, lanes, seed } = result
  const { lost, violations, duplicates, runs, events, mostRuns } = verdict
  const count = (why: string): number => duplicates.filter((duplicate) => duplicate.why === why).length
  show('Lost', lost)
  show('Order violations', violations)
  show(
    'Unexplained duplicates',
    duplicates.flatMap(({ why, event, handler }) => (why === 'unexplained' ? [`${handler} of ${event}`] : [])),
  )
  show('Dead letters without a failure', deadForNothing)
  const dead = Object.entries(deadByReason).map(([reason, number]) => `${number} ${reason}`)
  const unexplained = count('unexplained')
  const fine =
    lost.length + violations.length + unexplained + deadForNothing.length + left === 0 && events > 0 && runs > 0
  console.log(
    `Dead letters: ${dead.join(', ') || 'none'}. Left in the store: ${left}. Most runs of one handler: ${mostRuns}.`,
  )
  console.log(
    `Crash soak ${fine ? 'passed' : 'FAILED'}: ${kills} SIGKILLs (seed ${seed}), ${events} events in ${lanes} lanes, ` +
      `${runs} handler runs, ${seconds.toFixed(0)} s: ${lost.length} lost, ${violations.length} order violations, ` +
      `${duplicates.length} duplicates (${count('killed')} killed before their end was saved, ` +
      `${count('lease-lost')} after a lost lease, ${unexplained} unexplained)`,
  )
  return fine
}

function show(title: string, lines: readonly string[]): void {
  if (lines.length === 0) return
  console.log(`${title}: ${lines.length}`)
  for (const line of lines.slice(0, SHOWN)) console.log(`  ${line}`)
}
