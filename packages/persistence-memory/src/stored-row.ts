import type { DeadReason, Progress, StoredError, StoredMessage } from '@buslane/core'
import type { Numbered } from './ordered-entries.ts'

/** What the store knows of an event, as plain data. */
export interface EventRecord {
  readonly seq: number
  readonly message: StoredMessage
  readonly lane: string | undefined
  readonly serial: boolean
  readonly priority: number
  readonly onCrash: 'retry' | 'fail'
  readonly idempotencyKey: string | undefined
  readonly orderOffsetMs: number | undefined
  readonly acceptedAt: number
  /** Acceptance, or the due time that was asked for if that is later: what the order key counts from. */
  baseAt: number
  orderKey: number
  /** When it became, or becomes, ready: as asked for, or after a retry or a deferral. */
  dueAt: number
  expiresInMs: number | undefined
  unreported: number
  interruptions: number
  /** The names that its first start recorded. */
  handlers: readonly string[] | undefined
  progress: Progress
  /** Goes first in its lane. */
  begun: boolean
  deferredSince: number | undefined
  firstFailedAt: number | undefined
  replays: number
  readonly edited: { readonly payload: string; readonly by: string } | undefined
}

/** Where a stored event is: its state, with what belongs to that state alone. A move always makes a new one. */
export type Place =
  /** `holdsLane`: it is to be tried again, and its lane waits for it. */
  | { readonly state: 'scheduled'; readonly holdsLane: boolean }
  | { readonly state: 'ready' }
  | RunningPlace
  | { readonly state: 'unhandled' }
  | { readonly state: 'undecodable'; readonly error: StoredError }
  | { readonly state: 'dead'; readonly reason: DeadReason; readonly error: StoredError | undefined }

/** Leased to a worker. */
export interface RunningPlace {
  readonly state: 'running'
  readonly worker: string
  readonly token: string
  started: boolean
  /** Whether this lease's start was the first one, and recorded the handlers. */
  recordedHandlers: boolean
}

/** A stored event. */
export interface Row extends EventRecord, Numbered {
  place: Place
  /** The only worker that may claim it. */
  owner: string | undefined
  /** Where it can be claimed: it is ready, and nothing of its lane keeps it waiting. */
  offer: Offer | undefined
}

/** A row in a queue for claims. It counts only while it is the row's own `offer`, so nobody has to look for it there. */
export interface Offer {
  readonly row: Row
  readonly orderKey: number
}

/** A row in a queue that orders it by what it is at one place; of no meaning once it has moved on. */
export interface Waiting {
  readonly row: Row
  readonly place: Place
  readonly begun: boolean
  readonly orderKey: number
  readonly dueAt: number
}

export const waitingAt = (row: Row, place: Place): Waiting => ({
  row,
  place,
  begun: row.begun,
  orderKey: row.orderKey,
  dueAt: row.dueAt,
})

export const stillWaits = ({ row, place }: Waiting): boolean => row.place === place

/** In a lane: what was begun first, then by order key, then by number. */
export const beforeInLane = (a: Waiting, b: Waiting): boolean =>
  a.begun === b.begun ? beforeAmongLanes(a, b) : a.begun

/** Among lanes, and events without one. */
export const beforeAmongLanes = (a: Offer, b: Offer): boolean =>
  a.orderKey === b.orderKey ? a.row.seq < b.row.seq : a.orderKey < b.orderKey

export const beforeByDue = (a: Waiting, b: Waiting): boolean =>
  a.dueAt === b.dueAt ? a.row.seq < b.row.seq : a.dueAt < b.dueAt

export const rowOf = (record: EventRecord, owner?: string): Row => ({
  ...record,
  key: String(record.seq),
  place: { state: 'ready' },
  owner,
  offer: undefined,
})
