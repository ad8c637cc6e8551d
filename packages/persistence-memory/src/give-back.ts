import type { Tended } from '@buslane/core'
import type { Database } from './database.ts'
import { bury, isExhausted } from './give-up.ts'
import { beforeInLane, type Row, waitingAt } from './stored-row.ts'
import type { Worker } from './worker.ts'

/** Finds dead workers, gives back what they held, and forgets what has been kept long enough. */
export const sweep = (db: Database): Tended => {
  const { now, events, keys, log } = db
  const dead = [...events.workers.values()].filter(({ leaseUntil }) => leaseUntil < now)
  let rescued = 0
  for (const worker of dead) rescued += endWorker(db, worker)
  keys.purge(now)
  log?.purge(now)
  return { readied: 0, rescued, deadWorkers: dead.length, nextDueInMs: nextDueInMs(db, now) }
}

/** Ends a worker and gives back what it held. How many events that were. */
export const endWorker = (db: Database, worker: Worker): number => {
  db.events.removeWorker(worker)
  const held = [...worker.held].sort((a, b) => (beforeInLane(waitingAt(a, a.place), waitingAt(b, b.place)) ? -1 : 1))
  for (const row of held) giveBack(db, row)
  return held.length
}

/**
 * Takes an event from a worker that is gone. One that had been started was interrupted: it goes first in its lane, or to
 * the dead letters if it must not run twice or never gets as far as a report.
 */
export const giveBack = (db: Database, row: Row): void => {
  const { place } = row
  if (place.state !== 'running') return
  if (place.started) {
    row.interruptions++
    row.begun = true
    const { worker } = place
    if (row.onCrash === 'fail') return bury(db, row, { reason: 'interrupted', worker })
    if (isExhausted(row)) return bury(db, row, { reason: 'attempts-exhausted-without-report', worker })
  }
  db.events.move(row, { state: 'ready' })
}

export const nextDueInMs = ({ events: { nextDueAt } }: Database, now: number): number | undefined =>
  nextDueAt === undefined ? undefined : Math.max(0, nextDueAt - now)
