import type { Lease } from '@buslane/core'
import type { Database } from './database.ts'
import type { Row, RunningPlace } from './stored-row.ts'

/** An event that is leased. */
export interface LeasedRow {
  readonly row: Row
  readonly place: RunningPlace
}

/** Unique for ever, also after a restore. One for all events that are leased in one commit: the key is the other half. */
export const newToken = (): string => crypto.randomUUID()

/** The event, if this is its current lease: the compare-and-set of R-DUR-3. */
export const leasedRow = ({ events }: Database, { key, token }: Lease): LeasedRow | undefined => {
  const row = events.rows.get(key)
  if (row?.place.state !== 'running' || row.place.token !== token) return undefined
  return { row, place: row.place }
}

/** Records that its first handler is about to run. */
export const recordStart = ({ row, place }: LeasedRow, handlers: readonly string[]): void => {
  row.unreported++
  place.started = true
  if (row.handlers !== undefined) return
  row.handlers = [...handlers]
  place.recordedHandlers = true
}
