import type { Appended, NewEvent } from '@buslane/core'
import type { Database } from './database.ts'
import { newToken } from './lease.ts'
import { type Place, type Row, rowOf } from './stored-row.ts'
import type { MemoryTransaction } from './transaction.ts'
import type { Worker } from './worker.ts'

/** So many events of one lane a worker is given ahead; what comes after them waits to be claimed. */
const KEPT_OF_ONE_LANE = 100

/** Stores events in one commit. The keys must not be reserved by a transaction. */
export const append = (
  db: Database,
  events: readonly NewEvent[],
  workerId: string | undefined,
): readonly Appended[] => {
  const { now } = db
  const worker = workerId === undefined ? undefined : db.events.workers.get(workerId)
  // What is due already waits before what comes now.
  db.events.readyDue(now)
  const token = newToken()
  return events.map((event): Appended => {
    const user = event.idempotencyKey === undefined ? undefined : db.keys.userOf(event.idempotencyKey, now)
    if (user !== undefined) return { status: 'duplicate', id: user }
    const row = newRow(event, db.nextSeq(), now, event.mine ? worker?.id : undefined)
    const place = placeOf(db, row, event, { now, worker, token })
    store(db, row, place, now)
    return place.state === 'running' ? appended(row, place.token, place.started) : appended(row, undefined, false)
  })
}

/** Stores an event at the commit of a transaction, which keeps its idempotency key until then. */
export const appendIn = (db: Database, event: NewEvent, transaction: MemoryTransaction): Appended => {
  const { now } = db
  const { idempotencyKey: key, message } = event
  const user = key === undefined ? undefined : (db.keys.reservationOf(key)?.id ?? db.keys.userOf(key, now))
  if (user !== undefined) return { status: 'duplicate', id: user }
  const row = newRow(event, db.nextSeq(), now, undefined)
  db.join(transaction, {
    apply: () => {
      db.keys.unreserve(key)
      const committedAt = db.now
      store(
        db,
        row,
        row.dueAt <= committedAt ? { state: 'ready' } : { state: 'scheduled', holdsLane: false },
        committedAt,
      )
    },
    undo: () => db.keys.unreserve(key),
  })
  if (key !== undefined) db.keys.reserve(key, message.id, transaction)
  return appended(row, undefined, false)
}

const store = (db: Database, row: Row, place: Place, now: number): void => {
  db.keys.use(row.idempotencyKey, row.message.id)
  db.events.put(row, place)
  db.log?.add(row.message, db.nextSeq(), now)
}

const newRow = (event: NewEvent, seq: number, acceptedAt: number, owner: string | undefined): Row => {
  const { message, lane, serial, priority, orderOffsetMs, due, expiresInMs, idempotencyKey, onCrash } = event
  const dueAt = due === undefined ? acceptedAt : 'at' in due ? due.at : acceptedAt + due.delayMs
  const baseAt = Math.max(acceptedAt, dueAt)
  return rowOf(
    {
      seq,
      message,
      lane,
      serial,
      priority,
      onCrash,
      idempotencyKey,
      orderOffsetMs,
      acceptedAt,
      baseAt,
      orderKey: orderKeyOf(priority, orderOffsetMs, baseAt),
      dueAt,
      expiresInMs,
      unreported: 0,
      interruptions: 0,
      handlers: undefined,
      progress: {},
      begun: false,
      deferredSince: undefined,
      firstFailedAt: undefined,
      replays: 0,
      edited: undefined,
    },
    owner,
  )
}

/** R-PRI-5. */
export const orderKeyOf = (priority: number, orderOffsetMs: number | undefined, baseAt: number): number =>
  orderOffsetMs === undefined ? priority : baseAt + orderOffsetMs

interface Appending {
  readonly now: number
  readonly worker: Worker | undefined
  readonly token: string
}

const placeOf = (db: Database, row: Row, { keep }: NewEvent, { now, worker, token }: Appending): Place => {
  if (row.dueAt > now) return { state: 'scheduled', holdsLane: false }
  if (!worker || !keep) return { state: 'ready' }
  const lane = row.lane === undefined ? undefined : db.events.lanes.get(row.lane)
  const mayKeep =
    !lane ||
    (lane.holder === worker.id &&
      lane.retries === 0 &&
      lane.held.size < KEPT_OF_ONE_LANE &&
      lane.ready.peek() === undefined)
  if (!mayKeep) return { state: 'ready' }
  const started =
    keep.start !== undefined &&
    (lane?.held.size ?? 0) < (row.lane === undefined ? 1 : (keep.laneStart ?? 1)) &&
    lane?.holdsLater(row.orderKey) !== true
  if (started) {
    row.unreported = 1
    row.handlers = [...keep.start]
  }
  return { state: 'running', worker: worker.id, token, started, recordedHandlers: started }
}

const appended = (
  { key, acceptedAt, orderKey, dueAt }: Row,
  token: string | undefined,
  started: boolean,
): Appended => ({
  status: 'stored',
  key,
  acceptedAt,
  orderKey,
  dueAt,
  lease: token === undefined ? undefined : { key, token },
  started,
})
