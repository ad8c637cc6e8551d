import type { Check } from './check.ts'
import { approvalChecks } from './checks/approvals.ts'
import { claimingChecks } from './checks/claiming.ts'
import { clockChecks } from './checks/clock.ts'
import { deadLetterChecks } from './checks/dead-letters.ts'
import { idempotencyChecks } from './checks/idempotency.ts'
import { identityChecks } from './checks/identity.ts'
import { keepingChecks } from './checks/keeping.ts'
import { lanePassingChecks } from './checks/lane-passing.ts'
import { laneRaceChecks } from './checks/lane-races.ts'
import { laneChecks } from './checks/lanes.ts'
import { leaseChecks } from './checks/leases.ts'
import { movingChecks } from './checks/moving.ts'
import { replayChecks } from './checks/replays.ts'
import { scheduleChecks } from './checks/schedules.ts'
import { settlingChecks } from './checks/settling.ts'
import { startChecks } from './checks/starts.ts'
import { tokenChecks } from './checks/tokens.ts'
import { transactionChecks } from './checks/transactions.ts'

/** Every check of an event store. */
export const eventStoreChecks: readonly Check[] = [
  ...claimingChecks,
  ...tokenChecks,
  ...leaseChecks,
  ...startChecks,
  ...scheduleChecks,
  ...movingChecks,
  ...clockChecks,
  ...idempotencyChecks,
  ...identityChecks,
  ...keepingChecks,
  ...settlingChecks,
  ...laneChecks,
  ...lanePassingChecks,
  ...laneRaceChecks,
  ...transactionChecks,
]

/** Every check of a dead-letter store, and of the way into it and back. */
export const deadLetterStoreChecks: readonly Check[] = [...deadLetterChecks, ...replayChecks]

/** Every check of an approval store, and of what it appends to the event store. */
export const approvalStoreChecks: readonly Check[] = approvalChecks
