import type { DeadReason, Progress, StoredError } from '@buslane/core'
import type { Database } from './database.ts'
import type { Row } from './stored-row.ts'

/** So often an event may be started without any report before nobody tries it again (R-DUR-3). */
const MAX_UNREPORTED = 10

export const isExhausted = ({ unreported }: Row): boolean => unreported >= MAX_UNREPORTED

/** Why an event is given up, and by whom. */
export interface GivingUp {
  readonly reason: DeadReason
  readonly worker: string
  readonly error?: StoredError | undefined
}

/** Moves an event to the dead letters; without any it stays, as `dead`. */
export const bury = (db: Database, row: Row, { reason, worker, error }: GivingUp): void => {
  const { now, letters, events, keys } = db
  row.firstFailedAt ??= now
  if (!letters) {
    events.move(row, { state: 'dead', reason, error })
    return
  }
  events.remove(row)
  keys.died(row.idempotencyKey, now)
  const seq = db.nextSeq()
  const key = String(seq)
  const { message, lane, priority, onCrash, idempotencyKey, progress, acceptedAt, firstFailedAt, replays, edited } = row
  letters.add({
    seq,
    key,
    serial: row.serial,
    orderOffsetMs: row.orderOffsetMs,
    handlers: row.handlers,
    letter: {
      key,
      message,
      reason,
      lane,
      priority,
      onCrash,
      idempotencyKey,
      progress,
      error,
      acceptedAt,
      firstFailedAt,
      deadAt: now,
      replays,
      worker,
      edited,
    },
  })
}

/**
 * The progress of an event that a person tries again: what is done stays done, the attempts of the others begin anew, and
 * their errors stay as its history.
 */
export const begunAnew = (progress: Progress): Progress =>
  Object.fromEntries(
    Object.entries(progress).map(([handler, was]) => [
      handler,
      was.status === 'done' ? was : { ...was, status: 'trying' as const, attempts: 0 },
    ]),
  )

export const hasDone = (progress: Progress): boolean => Object.values(progress).some(({ status }) => status === 'done')
