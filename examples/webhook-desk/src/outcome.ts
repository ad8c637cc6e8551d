import type { StopReport } from '@buslane/core'
import type { Desk } from './desk.ts'
import { type Figures, runFigures } from './figures.ts'
import type { Journal } from './journal.ts'
import type { OrderViolation } from './order-check.ts'
import { MailRefused } from './services.ts'

export interface Evidence {
  readonly desk: Desk
  readonly journal: Journal
  readonly violations: readonly OrderViolation[]
  readonly stopReport: StopReport
  /** Deliveries that the desk did not take in. */
  readonly refused: number
}

/** What did come out: from the journal where it knows, from the bus where only the bus does. */
export function seenFigures({ desk, journal, violations, stopReport, refused }: Evidence): Figures {
  const ended = journal.runs.filter(({ endedAt }) => endedAt !== undefined)
  const stats = desk.stats()
  const announced = desk.failures.get(MailRefused.name) ?? 0
  return {
    'deliveries handled': new Set(ended.filter(({ handler }) => handler === 'count').map(({ delivery }) => delivery))
      .size,
    'deliveries refused': refused,
    'kinds counted': desk.counters.size,
    ...runFigures((name) => ended.filter(({ handler }) => handler === name).length),
    'failures thrown': ended.filter(({ failed }) => failed).length,
    'failures announced': announced,
    'other failures': stats.handlerFailures - announced + stats.observerErrors + stats.commands.failed,
    'follow-ups planned': desk.followUpsPlanned,
    'follow-ups fired': ended.filter(({ handler }) => handler === 'follow-up').length,
    'events settled': stats.settled,
    'order violations': violations.length,
    'broken audit links': desk.auditLog.brokenLinks,
    'left at stop': stopReport.left.length,
  }
}
