import { defineEvent, type LaneFunction } from '@buslane/core'

/** What the workers of a crash run handle: the `seq`-th job of its lane. */
export interface JobPayload {
  readonly lane: string
  readonly seq: number
}

export const Job = defineEvent<JobPayload>('crash.job', { durable: true })
/** A job that must never be begun twice. */
export const Once = defineEvent<JobPayload>('crash.once', { durable: true, onCrash: 'fail' })

/** Jobs of this lane have no order, those of `BUS` only within a process. */
export const UNORDERED = 'none'

export const laneOf: LaneFunction = ({ payload }) => {
  const { lane } = payload as JobPayload
  return lane === UNORDERED ? undefined : lane
}

/** The handlers of a job, by name, with their group. */
export const GROUP_OF: Readonly<Record<string, number>> = { reserve: 1, charge: 2, audit: 2, notify: 3 }

/** Short enough for a run that kills many processes. */
export const LEASE = { leaseMs: 1000, sweepMs: 300, pollMs: 300 } as const
