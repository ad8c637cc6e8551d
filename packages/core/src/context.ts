import type { CommandResult } from './command-result.ts'
import type { CommandMessage, EventMessage } from './message.ts'
import type { EventOutcome } from './outcome.ts'
import type {
  ExecuteOptions,
  PublishAndWaitOptions,
  PublishOptions,
  PublishReceipt,
  ScheduleOptions,
  Transaction,
} from './options.ts'
import type { ScheduledEvent } from './scheduler.ts'

/**
 * What a handler gets beside its message. The four verbs carry the conversation on: what they publish or execute gets
 * this message's `correlationId`, its id as `causationId`, and its session, unless the message says otherwise.
 * They may be taken out of the object: `({ payload }, { publish }) => publish(...)`.
 */
export interface HandlerContext {
  /**
   * Aborted by a timeout, the end of the session, the deadline of `stop` or a lost lease. Made when first read. A listener on it that
   * throws is an uncaught error of the process, as on every `AbortSignal` of Node: the bus cannot catch it.
   */
  readonly signal: AbortSignal
  /** Which run of this handler for this message it is, from 1. */
  readonly attempt: number
  /** Its name, as errors, outcomes and observers have it. */
  readonly handler: string
  readonly sessionId: string
  /** As `bus.publish`; into a full queue it neither waits nor loses, up to 1,000 events for each handler call. */
  readonly publish: (event: EventMessage, options?: PublishOptions) => Promise<PublishReceipt>
  /** As `bus.publishAndWait`, but run at once as part of this handler, outside lanes: it cannot deadlock. */
  readonly publishAndWait: (event: EventMessage, options?: PublishAndWaitOptions) => Promise<EventOutcome>
  readonly execute: <Result>(
    command: CommandMessage<unknown, Result>,
    options?: ExecuteOptions,
  ) => Promise<CommandResult<Result>>
  readonly schedule: (event: EventMessage, options: ScheduleOptions) => Promise<ScheduledEvent>
}

/** The context of an event handler. */
export interface EventContext extends HandlerContext {
  /** The priority of the handler: of the group that it runs in. */
  readonly priority: number
  /**
   * Writes, in a transaction of your own, that this handler is done with this event: its work and its completion commit
   * together, or not at all. For durable events.
   *
   * @throws {BusError} `LEASE_LOST`: another worker has the event, so the transaction must roll back (throwing does that);
   * `INVALID_ARGUMENT` if the event is not durable.
   */
  readonly completeIn: (transaction: Transaction) => Promise<void>
}

/** The context of a command handler. */
export type CommandContext = HandlerContext

/** Handles an event. Throwing, or rejecting, is failing; the value is only seen by `publishAndWait`. */
export type EventHandler<Payload = unknown> = (event: EventMessage<Payload>, context: EventContext) => unknown

/** Handles a command: what it returns, or resolves with, is the result's `value`. */
export type CommandHandler<Payload = unknown, Result = unknown> = (
  command: CommandMessage<Payload, Result>,
  context: CommandContext,
) => Result | PromiseLike<Result>
