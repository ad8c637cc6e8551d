// Interfaces, not type aliases: plugins add their own options to them by declaration merging.

/** Options of `bus.on` and `bus.onPattern`. Plugins add theirs by declaration merging. */
export interface HandlerOptions {
  /** Any finite number; lower runs first. Default `HandlerPriority.NORMAL` (50). */
  readonly priority?: number | undefined
  /** What errors, outcomes and observers call it. Default: the function's name. Needed for durable types. */
  readonly name?: string | undefined
  /** Removes the handler when aborted. */
  readonly signal?: AbortSignal | undefined
  /** Removes the handler when its first event is dispatched. Default `false`. Refused for durable types. */
  readonly once?: boolean | undefined
}

/** Options of `bus.handle`. */
export interface CommandHandlerOptions {
  /** What errors and observers call it. Default: the function's name. */
  readonly name?: string | undefined
  /** Removes the handler when aborted. */
  readonly signal?: AbortSignal | undefined
}

/** The transactions that `publish` and `schedule` can join. Persistence packages add theirs by declaration merging. */
export interface TransactionTypes {}

/** A transaction of any installed persistence package. */
export type Transaction = [keyof TransactionTypes] extends [never] ? unknown : TransactionTypes[keyof TransactionTypes]

/** Options of `bus.publish`. Plugins add theirs by declaration merging. */
export interface PublishOptions {
  /** Through the store or not. Default: what the type's definition says. */
  readonly durable?: boolean | undefined
  /** The event's place in the queue: any finite number, lower goes first. Default 50. */
  readonly priority?: number | undefined
  /** Write the event in this transaction. Needs a store. */
  readonly transaction?: Transaction | undefined
  /** Publishing twice with one key gives one event. Needs a store. */
  readonly idempotencyKey?: string | undefined
  /** A durable event that has not started by then goes to the dead letters. Needs a store. In milliseconds. Default `Infinity`: never. */
  readonly expiresInMs?: number | undefined
  /** Ends the wait for room in a full queue: the promise rejects with `ABORTED`, the event is not accepted. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `bus.publishAndWait`. */
export interface PublishAndWaitOptions {
  readonly durable?: boolean | undefined
  /** As for `publish`. Default 50. */
  readonly priority?: number | undefined
  /** After that long running handlers are `timed-out` and the rest does not run. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** As `timeoutMs`, but the handlers are `aborted`. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `bus.execute`. Plugins add theirs by declaration merging. */
export interface ExecuteOptions {
  /** After that long the result is `TIMED_OUT` and the handler's signal is aborted. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** Ends the call with `ABORTED` and aborts the handler's signal. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `bus.schedule`: when, and how safely. */
export type ScheduleOptions = (
  | {
      /** A point in time: it follows the wall clock when that is set. The past is due at once. */
      readonly at: Date | number
      readonly delayMs?: undefined
    }
  | {
      /** From now, in milliseconds of the monotonic clock. */
      readonly delayMs: number
      readonly at?: undefined
    }
) & {
  /** The event's place in the queue once it is due. Default 50. */
  readonly priority?: number | undefined
  /** `required`: refuse when the event cannot be stored. Default `preferred`: then keep it in memory. */
  readonly durability?: 'preferred' | 'required' | undefined
  readonly idempotencyKey?: string | undefined
  readonly transaction?: Transaction | undefined
}

/** What `publish` resolves with once the event is accepted, or is not. */
export interface PublishReceipt {
  readonly id: string
  /** `filtered` by a filter or a publish middleware; `dropped` by the queue's strategy; `duplicate` by its key. */
  readonly status: 'accepted' | 'filtered' | 'dropped' | 'duplicate'
  /** Whether the event would survive the process. */
  readonly durability: 'memory' | 'stored'
}
