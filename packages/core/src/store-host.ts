import type { Clock } from './clock.ts'
import type { Delivery } from './delivery.ts'
import type { BusError } from './errors.ts'
import type { Logger } from './logger.ts'
import type { AnyDefinition, EventMessage, Message } from './message.ts'
import type { PublishReceipt } from './options.ts'
import type { HandlerOutcome } from './outcome.ts'
import type { Observer } from './observer.ts'
import type { DeadReason, EventLog, EventStore, Progress, StoredError } from './persistence.ts'
import type { Plan } from './routing.ts'
import type { Scheduled, ScheduledEvent, When } from './scheduler.ts'
import type { Timer } from './timers.ts'

// What a bus and the runner of its store are to each other. The runner is loaded with a persistence package only.

/** What ties a delivery to a store. The dispatch asks it; events in memory have none. */
export interface DeliveryLease {
  /**
   * Before the first handler: records the start with the names of the handlers. `true`: they may run now; else a promise
   * of whether they may, because that has to be written, or the lease extended, first.
   */
  begin(plan: Plan): true | Promise<boolean>
  /** Before a later group: whether the lease is known to be valid. */
  check(): true | Promise<boolean>
  /** What became of the handler before this claim. `unknown`: it is not among those recorded at the first start. */
  earlier(handler: string): 'done' | 'failed' | 'unknown' | undefined
  /** How often the handler ran before this claim, interruptions included. */
  attemptsOf(handler: string): number
  /** Waits for a new attempt that are at least so long are waited in the store; in milliseconds. */
  readonly parkAfterMs: number
  /** A handler has settled, or waits for another attempt. Writes it, without waiting. */
  handlerSettled(handler: string, outcome: HandlerOutcome, trying: boolean): void
  /** Writes how it ended; resolves when that is committed, or lost. `retryInMs`: a handler is to be tried again then. */
  settle(outcomes: readonly HandlerOutcome[], retryInMs: number | undefined): Promise<void>
  /** Gives it back: it has not begun. */
  release(): Promise<void>
  /** Writes in the caller's transaction that the handler is done. @throws {BusError} `LEASE_LOST`, also if it is done already */
  completeIn(transaction: unknown, handler: string, attempts: number): Promise<void>
}

/** An event that is to be stored. */
export interface StoreIntent {
  /** Exchanged when the event goes back to the store, and comes here again for who waits for it. */
  delivery: Delivery
  /** What was published, before a schema parsed it. */
  readonly input: EventMessage
  readonly when?: When | undefined
  readonly idempotencyKey?: string | undefined
  readonly expiresInMs?: number | undefined
  readonly transaction?: unknown
  readonly signal?: AbortSignal | undefined
}

/** A stored message that was moved to the dead letters by this process. */
export interface Burial {
  readonly message: Pick<Message, 'id' | 'type' | 'sessionId' | 'correlationId'> & {
    readonly kind: 'event' | 'command'
  }
  readonly reason: DeadReason
  readonly progress: Progress
  readonly error?: StoredError | undefined
}

/** What the runner of a store needs of the bus. */
export interface StoreHost {
  readonly name: string
  /** Where published events are recorded, if anywhere. */
  readonly eventLog: EventLog | undefined
  observe(observer: Observer): Disposable
  readonly clock: Clock
  readonly logger: Logger
  readonly ageingMs: number
  readonly concurrency: number
  /** Slots that no lane has. */
  readonly slotsFree: number
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer | undefined): void
  /** The types that handlers were registered for with `on`. */
  handledTypes(): Iterable<AnyDefinition>
  /** Whether the definition of a type is known here. */
  definition(type: string): AnyDefinition | undefined
  /** Who would handle such an event now. */
  plan(type: string, sessionId: string): Plan
  /** Whether some session has handlers of its own for the type. */
  hasSessionHandlers(type: string): boolean
  /** Whether the session is open here. */
  hasSession(sessionId: string): boolean
  /** Whether nothing waits or runs in this lane. */
  laneIdle(key: string): boolean
  /** Puts a leased event into its lane. */
  admit(delivery: Delivery, key: number, at: number): void
  /** Begins a leased event at once, as part of the handler that waits for it. */
  admitNested(delivery: Delivery): void
  /** The event that waits first in the lane of this one. */
  nextOf(delivery: Delivery): Delivery | undefined
  /** All events that wait in the lane of this one, now: what is taken back meanwhile does no harm. */
  waitingBehind(delivery: Delivery): Iterable<Delivery>
  /** Takes a leased event that waits out of its lane. */
  takeBack(delivery: Delivery): void
  /** Waits for its time in memory. */
  schedule(delivery: Delivery, when: When): Scheduled
  /** Whether it was still waiting. */
  unschedule(scheduled: Scheduled): boolean
  /** An event was stored. */
  accepted(delivery: Delivery, dueAt: number | undefined): void
  /** It was moved to the dead letters. */
  buried(burial: Burial): void
  /** Its lease is lost: aborts what runs of it, or takes it away. */
  lost(delivery: Delivery, error: BusError): void
  /** The store cannot be used, or can be again. */
  storeChanged(trouble: BusError | undefined): void
  /** A count has changed that somebody may wait for. */
  checkQuiet(): void
}

/** What a store is doing, for stats and health. */
export interface StoreStatus {
  readonly state: 'closed' | 'connecting' | 'up' | 'down'
  /** Why it is down. */
  readonly trouble: BusError | undefined
  /** What else an operator should know: events that nobody here can handle. */
  readonly notes: readonly string[]
  /** Leases that are held here. */
  readonly leased: number
  /** Schedules that wait in memory until the store is back. */
  readonly toBeStored: number
  /** Leases that were lost, and events that were given back, put aside, or sent to the dead letters here. */
  readonly counts: StoreRunCounts
}

/** What happened to stored events in this process. */
export interface StoreRunCounts {
  readonly appended: number
  readonly duplicates: number
  readonly claimed: number
  readonly completed: number
  readonly retried: number
  readonly released: number
  readonly deferred: number
  readonly undecodable: number
  readonly dead: number
  readonly lost: number
  readonly rescued: number
  /** Events in memory that could not be written to the event log. */
  readonly unlogged: number
}

/** What drives a store for one bus. */
export interface StoreRunner {
  readonly store: EventStore
  readonly status: StoreStatus
  /** Calls whose commit is awaited. */
  readonly pending: number
  /** Whether events of this type can be stored; throws why not. @throws {BusError} `INVALID_ARGUMENT` */
  requireStorable(type: string): void
  /** Connects, for at most the store's limit, and begins to claim. Never rejects: trouble is reported and retried. */
  start(): Promise<void>
  /** Claims nothing any more, and gives back what waits here. How many events that were. */
  pause(): Promise<number>
  /** Writes what is still to be written, ends the worker, and frees what the store holds. How many events it gave back. */
  stop(): Promise<number>
  publish(intent: StoreIntent): Promise<PublishReceipt>
  /** `required`: rejects when it cannot be stored now; else it waits in memory until it can. */
  schedule(intent: StoreIntent & { readonly when: When; readonly required: boolean }): Promise<ScheduledEvent>
  /** Stores an event with this process's lease. It is admitted, or begun as part of `delivery.parent`, when stored. */
  publishAndWait(intent: StoreIntent): Promise<void>
  /** Stops, or resumes, the claiming of a type. */
  gate(type: string, open: boolean): void
  /** Handlers came or went. */
  handlersChanged(): void
  /** A slot or a place ahead has become free. */
  wanted(): void
  /** Something was stored past this runner, perhaps for later. */
  look(): void
}
