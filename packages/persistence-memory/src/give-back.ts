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
  const held = [...worker.held]
  giveBackAll(db, held, givenUp)
  return held.length
}

/**
 * Gives back what a worker held. It handles the events of a lane one after another, so of those that are recorded as started only the
 * first can have begun, and none while one waits that has begun before.
 */
export const giveBackAll = (db: Database, held: readonly Row[], givenUp: GivenUp[] = []): void => {
  const begunIn = new Set<string>()
  for (const row of held.toSorted((a, b) => (beforeInLane(waitingAt(a, a.place), waitingAt(b, b.place)) ? -1 : 1))) {
    const { lane: name, place } = row
    const lane = name === undefined ? undefined : db.events.lanes.get(name)
    const mayHaveBegun = !lane || (!begunIn.has(lane.name) && lane.retries === 0 && lane.ready.peek()?.begun !== true)
    if (lane && place.state === 'running' && place.started) begunIn.add(lane.name)
    const reason = giveBack(db, row, mayHaveBegun)
    if (reason !== undefined) givenUp.push({ message: withoutPayload(row.message), reason, progress: row.progress })
  }
}

/**
 * Takes an event from a worker that is gone. One that had been started was interrupted: it goes first in its lane, or to
 * the dead letters if it must not run twice or never gets as far as a report: then the answer is why. `mayHaveBegun`: its start was not
 * only recorded ahead of time.
 */
const giveBack = (db: Database, row: Row, mayHaveBegun: boolean): DeadReason | undefined => {
  const { place } = row
  if (place.state !== 'running') return undefined
  if (place.started && !mayHaveBegun && row.onCrash === 'retry') {
    row.unreported = Math.max(0, row.unreported - 1)
  } else if (place.started) {
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
