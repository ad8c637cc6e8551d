import type { Generated } from 'kysely'

// All times are epoch milliseconds of the database's clock, whole numbers, in bigint columns: no time zone of a session or
// a process can change what they mean. Read bigint columns as `::text` or `::float8`: how drivers parse `int8` differs.

/** The tables of one schema, for Kysely. */
export interface Tables {
  events: EventsTable
  lanes: LanesTable
  workers: WorkersTable
  dead_letters: DeadLettersTable
  watermarks: WatermarksTable
  idempotency: IdempotencyTable
  event_log: EventLogTable
  approvals: ApprovalsTable
}

/**
 * What a stored event is doing. `retrying` is a `scheduled` event that its lane waits for; people are shown `scheduled`.
 * Only `running` events have a worker and a token.
 */
type EventState = 'scheduled' | 'retrying' | 'ready' | 'running' | 'unhandled' | 'undecodable' | 'dead'

/** The columns of a message, in whichever table. */
export interface MessageColumns {
  kind: 'event' | 'command'
  id: string
  type: string
  version: number
  session_id: string
  /** JSON, byte for byte as it was given. */
  payload: string
  headers: string
}

/** What events and dead letters have in common: a replay carries it over. */
interface CarriedColumns extends MessageColumns {
  lane: string | null
  serial: boolean
  priority: number
  /** Added to `base_at` to make the order key; null: the order key is the priority. */
  order_offset: number | null
  on_crash: 'retry' | 'fail'
  idempotency_key: string | null
  /** JSON array of names, recorded at the first start. */
  handlers: string | null
  /** JSON of the contract's `Progress`. */
  progress: string | null
  /** JSON of the contract's `StoredError`. */
  error: string | null
  accepted_at: number
  first_failed_at: number | null
  replays: number
  /** The payload before somebody edited it for a replay, and who did. */
  original_payload: string | null
  edited_by: string | null
}

export interface EventsTable extends CarriedColumns {
  key: Generated<string>
  state: EventState
  order_key: number
  /** Acceptance, or the first due time if that is later. */
  base_at: number
  /** When it becomes, or became, ready. */
  due_at: number
  expires_at: number | null
  /** The only worker that may claim it, as long as that lives. */
  owner: string | null
  worker: string | null
  token: string | null
  /** Since this claim. */
  started: boolean
  /** It has progress, or was started and given back: it goes first in its lane. */
  begun: boolean
  unreported: number
  interruptions: number
  deferred_since: number | null
  /** Where claims find it, if it is ready and has no lane: 0 at or above the low-water mark, else the era in which it came in below. */
  late: Generated<number>
  /** Why it is `dead`. */
  reason: string | null
}

/**
 * One row per named lane with events that are ready, running or retrying; none for an idle lane. Whoever changes the state of such
 * an event changes the counts in the same transaction, and decides about the lane by the columns of this row alone.
 */
interface LanesTable {
  /** Always that of the watermarks. */
  era: number
  lane: string
  /** Events that are ready and not leased. */
  waiting: number
  /** Events that are leased, all of them to `worker`. */
  held: number
  /** Events that the lane waits for until they are to be tried again. */
  retrying: number
  /** Who holds the lane; null exactly if `held` is 0. */
  worker: string | null
  /** No waiting event has a lower order key: claims look from here on. Meaningless if none waits. */
  head: number | null
  /** No held event has a higher order key. Meaningless if none is held. */
  reach: number | null
}

/**
 * One row. Dead rows that an old snapshot keeps from being removed stay in the indexes, and whoever looks for the first live one has to
 * pass them all. So the place from which claims look is moved past them from time to time; see `low-water.ts`.
 */
interface WatermarksTable {
  lane_era: number
  late_era: number
  /** The low-water mark: no event with `late = 0` that is ready and has no lane has a lower order key. */
  floor: number
}

/** One row per process and bus. Its lease is the lease of all that it holds, so a heartbeat writes one row. */
interface WorkersTable {
  worker: Generated<string>
  name: string
  host: string
  pid: number
  started_at: number
  lease_until: number
  /** Set once it was found dead or has left, until all it held is given back. */
  dead_at: number | null
}

export interface DeadLettersTable extends CarriedColumns {
  /** Not the key of the event: letters are listed in the order in which they came. */
  key: Generated<string>
  reason: string
  dead_at: number
  /** Who gave it up: host, process id, bus. */
  worker: string
}

/** Which idempotency keys are taken: from acceptance until some time after the event has settled. */
interface IdempotencyTable {
  key: string
  /** The id of the event that took it. */
  id: string
  /** Null while the event lives. `dead` as long as the dead letter exists. */
  outcome: 'done' | 'dead' | 'discarded' | null
  expires_at: number | null
}

export interface EventLogTable extends MessageColumns {
  position: Generated<string>
  logged_at: number
}

export interface ApprovalsTable {
  id: string
  /** They are listed in the order in which they came. */
  key: Generated<string>
  revision: number
  status: string
  type: string
  session_id: string
  /** JSON, byte for byte as it was given. */
  record: string
  added_at: number
  updated_at: number
}
