import type { StopReport, StoreCounts } from '@buslane/core'
import type { Desk } from './desk.ts'
import { type DurableFigures, type Figures, journalFigures, retries } from './figures.ts'
import type { Run } from './journal.ts'
import type { OrderViolation } from './order-check.ts'
import { MailRefused } from './services.ts'

export interface DurableEvidence {
  readonly runs: readonly Run[]
  readonly violations: readonly OrderViolation[]
  /** What was in the store before the stop. */
  readonly stored: Pick<
    StoreCounts,
    'scheduled' | 'ready' | 'running' | 'unhandled' | 'undecodable' | 'dead' | 'deadLetters'
  >
  /** Deliveries that the desk did not take in. */
  readonly refused: number
}

export interface Evidence extends DurableEvidence {
  readonly desk: Desk
  readonly stopReport: StopReport
  /** How many dead letters were replayed in the end, and how many were left then. */
  readonly replayed: number
  readonly lettersLeft: number
}

/** What did come out, from the journal and the store. */
export function seenDurableFigures({ runs, violations, stored, refused }: DurableEvidence): DurableFigures {
  const { scheduled, ready, running, unhandled, undecodable, dead, deadLetters } = stored
  return {
    'deliveries refused': refused,
    ...journalFigures(runs, violations.length),
    'dead letters': deadLetters,
    'left in the store': scheduled + ready + running + unhandled + undecodable + dead,
  }
}

/** The same, and what only the desk knows. */
export function seenFigures(evidence: Evidence): Figures {
  const { desk, stopReport, replayed, lettersLeft } = evidence
  const runs = evidence.runs.filter(({ isReplay }) => !isReplay)
  const stats = desk.stats()
  const announced = desk.failures.get(MailRefused.name) ?? 0
  return {
    ...seenDurableFigures({ ...evidence, runs }),
    retries: retries(runs),
    'dead letters replayed': replayed,
    'dead letters left': lettersLeft,
    'kinds counted': desk.counters.size,
    'failures announced': announced,
    'other failures': stats.handlerFailures - announced + stats.observerErrors + stats.commands.failed,
    'follow-ups planned': desk.followUpsPlanned,
    'events settled': stats.settled + (stats.stored?.settled ?? 0),
    'broken audit links': desk.auditLog.brokenLinks,
    'left at stop': stopReport.left.length,
  }
}
