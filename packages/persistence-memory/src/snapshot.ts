import type { ApprovalRow } from './approval-table.ts'
import type { Database } from './database.ts'
import { invalidArgument, textOf } from './errors.ts'
import { EventTable } from './event-table.ts'
import { giveBackAll } from './give-back.ts'
import type { KeyRecord } from './idempotency-keys.ts'
import type { LetterRow } from './letter-table.ts'
import type { LogRow } from './log-table.ts'
import { type EventRecord, type Place, type Row, rowOf } from './stored-row.ts'

const FORMAT = 'buslane-memory/1'

/** All that a store holds, as plain data that survives `JSON.stringify`. Workers and open transactions are not in it. */
export interface MemorySnapshot {
  readonly format: typeof FORMAT
  readonly lastSeq: number
  readonly events: readonly (EventRecord & { readonly place: Place })[]
  readonly deadLetters: readonly LetterRow[]
  readonly idempotencyKeys: readonly KeyRecord[]
  readonly log: readonly LogRow[]
  /** Not in snapshots of versions that knew none. */
  readonly approvals?: readonly ApprovalRow[]
}

export const takeSnapshot = (db: Database): MemorySnapshot =>
  structuredClone({
    format: FORMAT,
    lastSeq: db.lastSeq,
    events: [...db.events.rows].map(({ key: _key, owner: _owner, offer: _offer, ...record }) => record),
    deadLetters: [...(db.letters?.rows ?? [])],
    idempotencyKeys: [...db.keys],
    log: [...(db.log?.rows ?? [])],
    approvals: [...db.approvals.rows],
  })

/**
 * Replaces all that the database holds. What a worker held when the snapshot was taken is given back as after a crash:
 * what had been started counts as interrupted.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const restoreSnapshot = (db: Database, snapshot: MemorySnapshot): void => {
  if (snapshot?.format !== FORMAT) throw invalidArgument('The snapshot must be one that snapshot() made')
  const { lastSeq, events, deadLetters, idempotencyKeys, log, approvals = [] } = structuredClone(snapshot)
  // Before anything is replaced.
  for (const [name, rows] of Object.entries({ events, deadLetters, idempotencyKeys, log, approvals })) {
    if (!Array.isArray(rows)) throw invalidArgument(`snapshot.${name} must be a list, not ${textOf(rows)}`)
  }
  if (!db.letters && deadLetters.length > 0) {
    throw invalidArgument('The snapshot has dead letters, and this store keeps none: set deadLetters')
  }
  db.events = new EventTable()
  db.skipTo(lastSeq)
  db.letters?.restore(deadLetters)
  db.keys.restore(idempotencyKeys)
  db.log?.restore(log)
  db.approvals.restore(approvals)
  const held: Row[] = []
  for (const { place, ...record } of events) {
    const row = rowOf(record)
    db.events.put(row, place)
    if (place.state === 'running') held.push(row)
  }
  giveBackAll(db, held)
}
