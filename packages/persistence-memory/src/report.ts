import type { Lease, Progress, Report, Reported } from '@buslane/core'
import type { Database } from './database.ts'
import { bury } from './give-up.ts'
import { leaseLost } from './errors.ts'
import { leasedRow, type LeasedRow, recordStart } from './lease.ts'
import type { Row } from './stored-row.ts'
import type { MemoryTransaction } from './transaction.ts'

/** Applies reports, each by itself. */
export const report = (db: Database, reports: readonly Report[]): readonly Reported[] => {
  const applied = reports.map((one) => {
    const leased = leasedRow(db, one.lease)
    if (!leased) return undefined
    const { worker } = leased.place
    apply(db, one, leased)
    return { kind: one.kind, lane: leased.row.lane, worker }
  })
  // Only now, when all of them are applied, is it known what their workers still hold.
  return applied.map((one): Reported => {
    if (!one) return { status: 'lost' }
    const settled = one.kind !== 'start' && one.kind !== 'progress'
    const lane = settled && one.lane !== undefined ? db.events.lanes.get(one.lane) : undefined
    return lane?.holder === one.worker && lane.isOvertaken ? { status: 'ok', overtaken: true } : { status: 'ok' }
  })
}

const apply = (db: Database, told: Report, leased: LeasedRow): void => {
  const { now, events, keys } = db
  const { row, place } = leased
  if (told.kind === 'start') return recordStart(leased, told.handlers)
  row.unreported = 0
  switch (told.kind) {
    case 'progress':
      // The reporter has counted the interruptions as attempts of the handlers they cut off.
      row.interruptions = 0
      return setProgress(row, told.progress, now)
    case 'complete':
      events.remove(row)
      return keys.completed(row.idempotencyKey, now)
    case 'retry':
      setProgress(row, told.progress, now)
      row.interruptions = 0
      row.begun = true
      row.deferredSince = undefined
      row.dueAt = now + told.delayMs
      return events.moveToDue(row, now, row.lane !== undefined)
    case 'release':
      if (told.progress) setProgress(row, told.progress, now)
      // Whoever tells how far it is has begun it, however little that is: its lane goes on with it.
      row.begun ||= told.progress !== undefined
      // It counts as not started, so the names that this start recorded bind nobody.
      if (place.recordedHandlers && !row.begun) row.handlers = undefined
      return events.move(row, { state: 'ready' })
    case 'defer':
      row.deferredSince ??= now
      row.dueAt = now + told.delayMs
      return events.moveToDue(row, now, false)
    case 'undecodable':
      return events.move(row, { state: 'undecodable', error: told.error })
    case 'dead':
      setProgress(row, told.progress, now)
      return bury(db, row, { reason: told.reason, worker: place.worker, error: told.error })
  }
}

/**
 * A copy: what the reporter does with his own afterwards is not in the store. What is done stays done: a handler may have
 * committed its end in a transaction of its own, which the reporter does not know yet, or takes for a failure.
 */
const setProgress = (row: Row, progress: Progress, now: number): void => {
  const done = Object.entries(row.progress).filter(([, { status }]) => status === 'done')
  row.progress = { ...structuredClone(progress), ...Object.fromEntries(done) }
  if (Object.values(progress).some(({ status }) => status !== 'done')) row.firstFailedAt ??= now
}

/** Gives back what a worker holds without knowing it. */
export const releaseUnknown = (db: Database, workerId: string, known: readonly Lease[]): number => {
  const worker = db.events.workers.get(workerId)
  const tokens = new Map(known.map(({ key, token }) => [key, token]))
  const releases: Report[] = []
  for (const { key, place } of worker?.held ?? []) {
    if (place.state === 'running' && tokens.get(key) !== place.token)
      releases.push({ kind: 'release', lease: { key, token: place.token } })
  }
  report(db, releases)
  return releases.length
}

/** Writes that a handler is done when the transaction is committed, if the lease is still the event's then. */
export const completeIn = (
  db: Database,
  transaction: MemoryTransaction,
  { lease, handler, attempts }: { readonly lease: Lease; readonly handler: string; readonly attempts: number },
): 'ok' | 'lost' => {
  // Done before, and tried again because it threw after its commit: its work must not be committed twice.
  const leased = leasedRow(db, lease)
  if (!leased || leased.row.progress[handler]?.status === 'done') return 'lost'
  db.join(transaction, {
    check: () => {
      if (!leasedRow(db, lease)) throw leaseLost(lease.key)
    },
    apply: () => {
      const row = leasedRow(db, lease)?.row
      if (!row) return
      row.unreported = 0
      row.progress = { ...row.progress, [handler]: { ...row.progress[handler], status: 'done', attempts } }
    },
  })
  return 'ok'
}
