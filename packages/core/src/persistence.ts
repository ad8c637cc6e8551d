import type { StoreHost, StoreRunner } from './store-host.ts'

/**
 * Where a bus keeps what must survive the process: what an adapter package gives to `createBus({ persistence })`. Every
 * part is optional, and what is missing degrades by rule: without `events` a durable publish is refused and schedules
 * stay in memory.
 */
export interface Persistence {
  /** Durable and scheduled events. */
  readonly events?: EventStore | undefined
  /** Events and commands that nobody will try again by himself. */
  readonly deadLetters?: DeadLetterStore | undefined
  /** An append-only record of what was published. */
  readonly eventLog?: EventLog | undefined
  /** What commands wait for a person's yes, and what was decided. */
  readonly approvals?: ApprovalStore | undefined
  /** For people and tools: what is in the store. */
  readonly inspect?: Inspectable | undefined
}

// -- the event store ------------------------------------------------------------------------------------------------

/**
 * A message as it is kept. `payload` and `headers` are JSON texts, which a store keeps as they are, byte for byte.
 * `headers` has what neither claims nor people search for: timestamp, correlation, causation, metadata.
 */
export interface StoredMessage {
  readonly kind: 'event' | 'command'
  readonly id: string
  readonly type: string
  readonly version: number
  readonly sessionId: string
  readonly payload: string
  readonly headers: string
}

/** What became of the handlers of a stored event so far, by handler name. */
export type Progress = Readonly<Record<string, HandlerProgress>>

export interface HandlerProgress {
  /** `done` never runs again; `failed` is final too; `trying` has failed and will run again. */
  readonly status: 'done' | 'failed' | 'trying'
  /** Runs so far, interruptions included. */
  readonly attempts: number
  readonly errors?: readonly StoredError[]
  /** Why it failed for good, where that was said. */
  readonly reason?: DeadReason
}

/** An error as plain data. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: StoredError
  /** Epoch milliseconds. */
  readonly failedAt: number
}

/** An event on its way into the store. */
export interface NewEvent {
  readonly message: StoredMessage
  /** Events of one named lane are handled one after another, in all processes. `undefined`: no order across processes. */
  readonly lane: string | undefined
  /** Without a lane, but every worker handles such events one after another: those of the bus's own lane. */
  readonly serial: boolean
  readonly priority: number
  /**
   * What is added to the base time (acceptance, or due time if that is later; epoch ms of the store's clock) to make the
   * order key; `undefined`: the key is the priority itself (`ageingMs: Infinity`).
   */
  readonly orderOffsetMs: number | undefined
  /** When it becomes ready: so many milliseconds after it is stored, or at a time (epoch ms). `undefined`: at once. */
  readonly due: { readonly delayMs: number } | { readonly at: number } | undefined
  readonly expiresInMs: number | undefined
  /** At most 1,024 bytes of UTF-8, as a lane is: the runner refuses longer ones. */
  readonly idempotencyKey: string | undefined
  readonly onCrash: 'retry' | 'fail'
  /**
   * Lease it to the appending worker in the same commit, if it is due and nothing of its lane waits before it or is leased
   * to another worker. `start`: record it as started too, with these handler names; in a named lane only if no more than
   * `laneStart` of its events are then held. Default 1: if it is the first. Never if it goes before one that is held: that may have begun.
   */
  readonly keep: { readonly start: readonly string[] | undefined; readonly laneStart?: number | undefined } | undefined
  /** Only the appending worker may claim it, for as long as that worker lives. */
  readonly mine: boolean
}

/** What was stored, in the order of the request. */
export type Appended =
  | {
      readonly status: 'stored'
      readonly key: string
      /** The store's clock at acceptance, epoch ms. */
      readonly acceptedAt: number
      readonly orderKey: number
      readonly dueAt: number
      /** Set if `keep` was granted. */
      readonly lease: Lease | undefined
      /** Whether it is recorded as started, as `keep.start` asked. */
      readonly started: boolean
    }
  /** The idempotency key was used before, by the event with this id. Nothing was stored. */
  | { readonly status: 'duplicate'; readonly id: string }

/** The right to work on one stored event, for as long as the worker's lease lasts. Compare-and-set is on both. */
export interface Lease {
  /** The event's key in the store: never used twice. */
  readonly key: string
  /** New for every claim. */
  readonly token: string
}

/** A type that a worker handles. */
export interface ClaimType {
  readonly type: string
  readonly version: number
  /** Held back for now: its events are not claimed, and named lanes wait for them. */
  readonly paused?: boolean | undefined
  /** Recorded as the event's handlers if the claim also starts it; `undefined`: a claim never starts this type. */
  readonly handlers: readonly string[] | undefined
}

export interface ClaimRequest {
  readonly worker: string
  /** (type, version) pairs. What is first in order and not among them is set aside as `unhandled`. */
  readonly types: readonly ClaimType[]
  /** At most so many events. */
  readonly limit: number
  /** Record the first so many as started in the same commit. */
  readonly start: number
  /**
   * Of one named lane so many may be recorded as started, those held already included. Default 1: the first of an idle lane. Never one
   * that goes before an event which is held: so the first that is started is the only one that can have begun when the worker dies.
   */
  readonly laneStart?: number | undefined
  /** At most so many events of one named lane, those held already included. */
  readonly laneLimit: number
  /** At most so many events that are `serial`: what a worker handles one by one must not use up its limit. */
  readonly serialLimit: number
}

/** An event that was claimed. */
export interface ClaimedEvent {
  readonly lease: Lease
  readonly message: StoredMessage
  readonly lane: string | undefined
  readonly serial: boolean
  readonly priority: number
  /** As in {@link NewEvent}; `-Infinity` for one that was begun before: it goes first in its lane. */
  readonly orderKey: number
  /** Acceptance, or due time: epoch ms of the store's clock. */
  readonly acceptedAt: number
  readonly onCrash: 'retry' | 'fail'
  readonly idempotencyKey: string | undefined
  /** Recorded as started in the claim. */
  readonly started: boolean
  /** How often it was started since its last report, this claim's start not included. */
  readonly unreported: number
  /** How often its worker died, or lost it, after it had been started. */
  readonly interruptions: number
  /** The names recorded at its first start. */
  readonly handlers: readonly string[] | undefined
  readonly progress: Progress
  /** Not started in time. */
  readonly expired: boolean
  /** Since when it waits for a handler that nobody knows: epoch ms of the store's clock. */
  readonly deferredSince: number | undefined
  /** How often it was replayed from the dead letters. */
  readonly replays: number
  /**
   * Why what the store keeps beside the message cannot be read, where it cannot: the event is reported as `undecodable`. A claim must not
   * fail for it, since the others are leased already.
   */
  readonly unreadable?: Error | undefined
}

/** What was claimed, in order, and the store's clock. */
export interface Claimed {
  readonly events: readonly ClaimedEvent[]
  /** Whether nothing claimable was left when it was made. */
  readonly exhausted: boolean
  readonly now: number
}

/**
 * What a worker says about an event it holds. Every report is a compare-and-set on the lease: if that is not the event's
 * current one the answer is `lost` and nothing changes. All but `start` reset the count of unreported starts.
 */
export type Report =
  /** Its first handler is about to run. Records `handlers` unless an earlier start did. */
  | { readonly kind: 'start'; readonly lease: Lease; readonly handlers: readonly string[] }
  /** Some handlers have settled; more will run. */
  | {
      readonly kind: 'progress'
      readonly lease: Lease
      readonly progress: Progress
      /** Do not wait for a transaction of `completeIn` that keeps the event locked: answer that it was `skipped`. Default `false`. */
      readonly skipLocked?: boolean | undefined
    }
  /** Handled: it leaves the store. */
  | { readonly kind: 'complete'; readonly lease: Lease }
  /** Try again later: it is ready after the delay, and its lane waits for it. */
  | { readonly kind: 'retry'; readonly lease: Lease; readonly progress: Progress; readonly delayMs: number }
  /** Given back at once, for anybody; no attempt is used up, it counts as not started. */
  | { readonly kind: 'release'; readonly lease: Lease; readonly progress?: Progress | undefined }
  /** Nobody here knows one of its handlers: ready again after the delay, its lane goes on without it. */
  | { readonly kind: 'defer'; readonly lease: Lease; readonly delayMs: number }
  /** It cannot be read here. Kept until a person moves it. */
  | { readonly kind: 'undecodable'; readonly lease: Lease; readonly error: StoredError }
  /** To the dead letters, in one transaction; if the persistence has none it stays as `dead`. */
  | {
      readonly kind: 'dead'
      readonly lease: Lease
      readonly reason: DeadReason
      readonly progress: Progress
      readonly error?: StoredError | undefined
    }

/** The answer to one report. */
export interface Reported {
  readonly status: 'ok' | 'lost'
  /**
   * An event that goes before those that the worker still holds of this event's lane has come: release them and claim
   * again. Only for reports that settle an event of a named lane.
   */
  readonly overtaken?: boolean | undefined
  /** Nothing was written, because a transaction has the event: report it again later. Only where that was asked for. */
  readonly skipped?: boolean | undefined
}

/** A message that a store moved to its dead letters by itself, or keeps as `dead`. Its payload is in the letter. */
export interface GivenUp {
  readonly message: Omit<StoredMessage, 'payload'>
  readonly reason: DeadReason
  readonly progress: Progress
}

/** What a round of housekeeping did. */
export interface Tended {
  /** Due, deferred or formerly unhandled events that became ready. */
  readonly readied: number
  /** Leases of dead workers that were given back. */
  readonly rescued: number
  /** Workers that were found dead. */
  readonly deadWorkers: number
  /** In how many milliseconds the next event is due; `undefined` if none is scheduled. */
  readonly nextDueInMs: number | undefined
  /** What dead workers held and nobody may try again: it is told to who wants to know of dead letters. */
  readonly givenUp?: readonly GivenUp[] | undefined
}

/** How a store wants to be driven. All in milliseconds or counts. */
export interface StoreSettings {
  /** How long a worker that says nothing keeps its leases. */
  readonly leaseMs: number
  readonly heartbeatMs: number
  /** How often dead workers are looked for. */
  readonly sweepMs: number
  /** How often ready events are looked for when no hint came. */
  readonly pollMs: number
  /** At most so many events in one append, claim or report. */
  readonly batchSize: number
  /** How many appends may be under way at once. */
  readonly parallelAppends: number
  /** How long `bus.start()` and a first durable publish wait for the store. */
  readonly connectMs: number
  /**
   * How long an event whose recorded handler nobody has any more waits for it before it goes to the dead letters. One of a type that
   * nobody handles waits for ever.
   */
  readonly noHandlerAfterMs: number
}

/** Turns payloads into text and back, for payloads that are not plain JSON. */
export interface PayloadCodec {
  encode(payload: unknown): string
  decode(text: string): unknown
}

/** Who works. */
export interface WorkerFacts {
  /** The bus's name. */
  readonly name: string
}

/**
 * Durable and scheduled events, with leases. Every verb is one transaction: it has happened entirely or not at all, and
 * when it resolves it is committed. All times and all decisions about due times and leases are by the store's own clock.
 *
 * *Failure*: a verb that rejects may have happened (the answer was lost). An error whose `retryable` is `false` will not
 * go away by trying again; any other means that the store is in trouble, and the runner backs off and asks again.
 */
export interface EventStore {
  readonly contract: 'event-store/1'
  readonly settings: StoreSettings
  readonly codec?: PayloadCodec | undefined
  /** Makes what drives this store for one bus: {@link runStore} of `@buslane/core/store-runner`, or one's own. */
  run(host: StoreHost): StoreRunner
  /** Makes the store usable: connects, migrates. A bus opens it once, again only if that failed, and closes it once. */
  open(): Promise<void>
  /** Registers a worker, unique for ever, and begins its lease. */
  join(facts: WorkerFacts): Promise<{ readonly worker: string; readonly now: number }>
  /** Extends the lease of the worker: `lost` if it was found dead. Then everything it held belongs to others. */
  heartbeat(worker: string): Promise<'ok' | 'lost'>
  /** Ends a worker: what it still holds is given back at once, as by `release`. How many events that were. */
  leave(worker: string): Promise<number>
  /**
   * Gives back, as by `release`, what the worker holds besides these: what was leased in answers that never arrived. Nothing else
   * that leases to the worker is under way. How many events that were. Without it they are free when the worker holds nothing else, and ends.
   */
  releaseUnknown?(worker: string, known: readonly Lease[]): Promise<number>
  /**
   * Stores events, all or none. *Order*: the keys of one append are in its order, and `seq` breaks ties of the order key.
   * `worker` must be given if any asks to be kept; a dead worker is given nothing.
   */
  append(events: readonly NewEvent[], worker: string | undefined): Promise<readonly Appended[]>
  /** Stores one event on the caller's connection, inside his transaction. It can be claimed after the commit. */
  appendIn?(transaction: unknown, event: NewEvent): Promise<Appended>
  /**
   * Leases events that are ready to the worker, in order: the lowest order key first, within a lane and among lanes.
   * *Concurrency*: never the same event, nor two events of one named lane, to two workers; never waits for another claim.
   */
  claim(request: ClaimRequest): Promise<Claimed>
  /** Answers in the order of the request. Each report is applied or lost by itself; none undoes another. */
  report(reports: readonly Report[]): Promise<readonly Reported[]>
  /**
   * Writes that one handler is done in the caller's transaction, checked against the lease. `lost` also if it is done already. What is
   * done stays done, whatever is reported of the handler later.
   */
  completeIn?(transaction: unknown, lease: Lease, handler: string, attempts: number): Promise<'ok' | 'lost'>
  /** Makes ready what has become due, and what was set aside as unhandled and is of one of these types. */
  ready(types: readonly ClaimType[]): Promise<Tended>
  /** Gives back, in bounded batches, what dead workers held. Purges what has been kept long enough. */
  sweep(): Promise<Tended>
  /** Takes an event away that nobody has claimed. */
  cancel(key: string): Promise<'cancelled' | 'too-late'>
  /** Calls back when something may have become ready. A hint may be lost; it never fails the store. */
  onHint?(listener: () => void): Disposable
  /** Undoes one `open`: the last frees connections. What was opened by somebody else stays open. */
  close(): Promise<void>
}

// -- dead letters ---------------------------------------------------------------------------------------------------

/** Why nobody will try again by himself. */
export type DeadReason =
  | 'failed'
  | 'interrupted'
  | 'attempts-exhausted-without-report'
  | 'no-handler'
  | 'expired'
  | (string & {})

/** A message that nobody will try again by himself, and all that is known about why. */
export interface DeadLetter {
  readonly key: string
  readonly message: StoredMessage
  readonly reason: DeadReason
  readonly lane: string | undefined
  readonly priority: number
  readonly onCrash: 'retry' | 'fail'
  readonly idempotencyKey: string | undefined
  /** What became of each handler, with its errors. */
  readonly progress: Progress
  /** What no handler is to blame for. */
  readonly error: StoredError | undefined
  /** Epoch ms of the store's clock, as all below. */
  readonly acceptedAt: number
  readonly firstFailedAt: number
  readonly deadAt: number
  /** How often it was replayed. */
  readonly replays: number
  /** Which process gave it up: host, process id, bus. */
  readonly worker: string
  /** The payload before somebody edited it for a replay, and who did. */
  readonly edited: { readonly payload: string; readonly by: string } | undefined
}

export type NewDeadLetter = Pick<
  DeadLetter,
  'message' | 'reason' | 'lane' | 'priority' | 'progress' | 'error' | 'worker'
> & {
  /** Only these handlers run when it is replayed. `undefined`: all that are there then. */
  readonly handlers?: readonly string[] | undefined
}

export interface DeadLetterQuery {
  readonly type?: string | undefined
  readonly reason?: DeadReason | undefined
  readonly sessionId?: string | undefined
  /** Given up at or after, and before: epoch ms. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** Default 100, at most 1,000. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly cursor?: string | undefined
}

/** One page, oldest first. What comes or goes meanwhile neither repeats nor hides another entry. */
export interface Page<Entry> {
  readonly entries: readonly Entry[]
  /** The cursor of the next page; `undefined` on the last. */
  readonly next: string | undefined
}

/** Where dead letters are kept. */
export interface DeadLetterStore {
  readonly contract: 'dead-letter-store/1'
  /** Whether it survives the process. */
  readonly durable: boolean
  /** Adds one that was never in the event store. Resolves with its key when it is safe. */
  add(letter: NewDeadLetter): Promise<string>
  list(query?: DeadLetterQuery): Promise<Page<DeadLetter>>
  get(key: string): Promise<DeadLetter | undefined>
  /** How many there are, by reason. */
  count(): Promise<Readonly<Record<string, number>>>
  /**
   * Puts one back, atomically: it is ready in the event store and gone from here, once, whoever else tries. Handlers that
   * are done stay done; the attempts of the others begin anew. `payload` (JSON text) replaces what is handled, and the original
   * is kept beside it.
   */
  replay(key: string, edit?: { readonly payload: string; readonly by: string }): Promise<'replayed' | 'gone'>
  /** Deletes. How many were there. */
  discard(keys: readonly string[]): Promise<number>
}

// -- approvals ------------------------------------------------------------------------------------------------------

/** An approval as it is kept. What it means is for whoever writes the `record`. */
export interface StoredApproval {
  /** Unique for ever in its store: given by whoever adds it. */
  readonly id: string
  /** 1 when it is added, and one more with every update. */
  readonly revision: number
  /** What people search for; the rest is in the record. */
  readonly status: string
  readonly type: string
  readonly sessionId: string
  /** JSON, kept as it is, byte for byte. */
  readonly record: string
  /** Epoch ms of the store's clock, as both below. */
  readonly addedAt: number
  readonly updatedAt: number
  /** When it was read. */
  readonly readAt: number
}

export type NewApproval = Pick<StoredApproval, 'id' | 'status' | 'type' | 'sessionId' | 'record'>

export interface ApprovalQuery {
  readonly status?: string | undefined
  readonly type?: string | undefined
  readonly sessionId?: string | undefined
  /** Default 100, at most 1,000. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly cursor?: string | undefined
}

/**
 * Where approvals are kept, beside the event store. Every verb is one transaction, as there: an approval and the messages that follow
 * from it are stored together, or neither is.
 */
export interface ApprovalStore {
  readonly contract: 'approval-store/1'
  /** Whether it survives the process. */
  readonly durable: boolean
  /** Keeps a new one and appends `then` to the event store. `exists`: one of that id is there; nothing was stored. */
  add(approval: NewApproval, then: readonly NewEvent[]): Promise<'added' | 'exists'>
  get(id: string): Promise<StoredApproval | undefined>
  /** Oldest first. */
  list(query?: ApprovalQuery): Promise<Page<StoredApproval>>
  /**
   * Replaces status and record, and appends `then` to the event store, if the approval still has this revision. *Concurrency*: of two
   * updates of one revision one is `stale`, and nothing of it is stored.
   */
  update(
    at: Pick<StoredApproval, 'id' | 'revision'>,
    change: Pick<StoredApproval, 'status' | 'record'>,
    then: readonly NewEvent[],
  ): Promise<'updated' | 'stale'>
  /** Deletes it if it still has this revision. */
  discard(at: Pick<StoredApproval, 'id' | 'revision'>): Promise<'discarded' | 'stale'>
  /** Calls back when one may have changed. A hint may be lost; it never fails the store. */
  onHint?(listener: () => void): Disposable
}

// -- event log ------------------------------------------------------------------------------------------------------

/** One published event in the log. */
export interface LoggedEvent {
  readonly position: string
  readonly message: StoredMessage
  /** Epoch ms of the store's clock. */
  readonly loggedAt: number
}

/** An append-only record of published events. Durable events are written with their own commit, by the event store. */
export interface EventLog {
  readonly contract: 'event-log/1'
  /** Whether events of this type are recorded. */
  records(type: string): boolean
  /** Records events that are not stored themselves. */
  write(messages: readonly StoredMessage[]): Promise<void>
  read(query?: {
    readonly type?: string | undefined
    readonly sessionId?: string | undefined
    readonly limit?: number | undefined
    readonly cursor?: string | undefined
  }): Promise<Page<LoggedEvent>>
}

// -- looking in -----------------------------------------------------------------------------------------------------

/** What a stored event is doing. */
export type StoredState = 'scheduled' | 'ready' | 'running' | 'unhandled' | 'undecodable' | 'dead'

/** A stored event, for people. Times are epoch ms of the store's clock. */
export interface StoredEvent {
  readonly key: string
  readonly state: StoredState
  readonly message: StoredMessage
  readonly lane: string | undefined
  readonly priority: number
  readonly acceptedAt: number
  readonly dueAt: number
  readonly started: boolean
  readonly unreported: number
  readonly interruptions: number
  readonly progress: Progress
  readonly error: StoredError | undefined
  readonly worker: string | undefined
  readonly replays: number
}

export interface StoreCounts extends Readonly<Record<StoredState, number>> {
  /** In the dead-letter store. */
  readonly deadLetters: number
  /** For how long the ready event that waits longest has been due; 0 if none waits. */
  readonly oldestReadyMs: number
  /** Events held by workers whose lease is over, and which nobody has rescued yet. */
  readonly stuck: number
  /** Workers that are alive. */
  readonly workers: number
}

export interface StoredEventQuery {
  readonly state?: StoredState | undefined
  readonly type?: string | undefined
  readonly sessionId?: string | undefined
  /** Default 100, at most 1,000. */
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

/** Lets people and tools see what is in the store, and move it. */
export interface Inspectable {
  counts(): Promise<StoreCounts>
  list(query?: StoredEventQuery): Promise<Page<StoredEvent>>
  get(key: string): Promise<StoredEvent | undefined>
  /** As the `cancel` of what `schedule` gives; also for unhandled, undecodable and dead ones. */
  cancel(key: string): Promise<'cancelled' | 'too-late'>
  /** Gives it another due time. `too-late`: it is running, or gone. */
  reschedule(
    key: string,
    due: { readonly at: number } | { readonly delayMs: number },
  ): Promise<'rescheduled' | 'too-late'>
  /** Makes it ready now, whatever it waited for. `too-late`: it is running, or gone. */
  retryNow(key: string): Promise<'readied' | 'too-late'>
}
