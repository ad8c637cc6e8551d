import { orderKeyOf } from './append.ts'
import type { Database } from './database.ts'
import { begunAnew, hasDone } from './give-up.ts'
import type { Row } from './stored-row.ts'

// What people do with stored events. None of it touches an event that a worker has.

/** Takes an event away and frees its idempotency key. `dead`: also one that was given up. */
export const cancel = (
  { events, keys }: Database,
  key: string,
  { dead }: { readonly dead: boolean },
): 'cancelled' | 'too-late' => {
  const row = events.rows.get(key)
  if (!row || row.place.state === 'running' || (row.place.state === 'dead' && !dead)) return 'too-late'
  events.remove(row)
  keys.free(row.idempotencyKey)
  return 'cancelled'
}

/** Gives it another due time; one that has not begun takes the place that this time gives it. */
export const reschedule = (
  db: Database,
  key: string,
  due: { readonly at: number } | { readonly delayMs: number },
): 'rescheduled' | 'too-late' => {
  const row = movableRow(db, key)
  if (!row) return 'too-late'
  const { now, events } = db
  const { place } = row
  const holdsLane = place.state === 'scheduled' && place.holdsLane
  revive(row)
  setDue(row, 'at' in due ? due.at : now + due.delayMs)
  events.moveToDue(row, now, holdsLane)
  return 'rescheduled'
}

/** Makes it ready, whatever it waited for. */
export const retryNow = (db: Database, key: string): 'readied' | 'too-late' => {
  const row = movableRow(db, key)
  if (!row) return 'too-late'
  const { now, events } = db
  if (row.place.state === 'ready') return 'readied'
  revive(row)
  if (row.dueAt > now) setDue(row, now)
  events.move(row, { state: 'ready' })
  return 'readied'
}

const movableRow = ({ events }: Database, key: string): Row | undefined => {
  const row = events.rows.get(key)
  return row?.place.state === 'running' ? undefined : row
}

const setDue = (row: Row, dueAt: number): void => {
  row.dueAt = dueAt
  if (row.begun) return
  row.baseAt = Math.max(row.acceptedAt, dueAt)
  row.orderKey = orderKeyOf(row.priority, row.orderOffsetMs, row.baseAt)
}

/** One that was given up begins anew, as a dead letter does when it is replayed. */
const revive = (row: Row): void => {
  if (row.place.state !== 'dead') return
  row.progress = begunAnew(row.progress)
  row.begun = hasDone(row.progress)
  row.unreported = 0
  row.interruptions = 0
  row.expiresInMs = undefined
  row.deferredSince = undefined
  row.replays++
}
