import type { DeadReason, GivenUp, StoredMessage, Tended } from '@buslane/core'
import type { Database } from './database.ts'
import { bury, isExhausted } from './give-up.ts'
import { beforeInLane, type Row, waitingAt } from './stored-row.ts'
import type { Worker } from './worker.ts'

/** Finds dead workers, gives back what they held, and forgets what has been kept long enough. */
export const sweep = (db: Database): Tended => {
  const { now, events, keys, log } = db
  const dead = [...events.workers.values()].filter(({ leaseUntil }) => leaseUntil < now)
  const givenUp: GivenUp[] = []
  let rescued = 0
  for (const worker of dead) rescued += endWorker(db, worker, givenUp)
  keys.purge(now)
  log?.purge(now)
  return { readied: 0, rescued, deadWorkers: dead.length, nextDueInMs: nextDueInMs(db, now), givenUp }
}

/** Ends a worker and gives back what it held, except what is given up. How many events that were. */
export const endWorker = (db: Database, worker: Worker, givenUp: GivenUp[] = []): number => {
  db.events.removeWorker(worker)
  const held = [...worker.held].sort((a, b) => (beforeInLane(waitingAt(a, a.place), waitingAt(b, b.place)) ? -1 : 1))
  for (const row of held) {
    const reason = giveBack(db, row)
    if (reason !== undefined) givenUp.push({ message: withoutPayload(row.message), reason, progress: row.progress })
  }
  return held.length
}

/**
 * Takes an event from a worker that is gone. One that had been started was interrupted: it goes first in its lane, or to
 * the dead letters if it must not run twice or never gets as far as a report: then the answer is why.
 */
export const giveBack = (db: Database, row: Row): DeadReason | undefined => {
  const { place } = row
  if (place.state !== 'running') return undefined
  if (place.started) {
    row.interruptions++
    row.begun = true
    const { worker } = place
    const reason = reasonToGiveUp(row)
    if (reason !== undefined) {
      bury(db, row, { reason, worker })
      return reason
    }
  }
  db.events.move(row, { state: 'ready' })
  return undefined
}

const withoutPayload = ({ kind, id, type, version, sessionId, headers }: StoredMessage): GivenUp['message'] => {
  return { kind, id, type, version, sessionId, headers }
}

const reasonToGiveUp = (row: Row): DeadReason | undefined => {
  if (row.onCrash === 'fail') return 'interrupted'
  return isExhausted(row) ? 'attempts-exhausted-without-report' : undefined
}

export const nextDueInMs = ({ events: { nextDueAt } }: Database, now: number): number | undefined =>
  nextDueAt === undefined ? undefined : Math.max(0, nextDueAt - now)
