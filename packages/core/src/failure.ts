import type { HandlerContext } from './context.ts'
import type { AnyDefinition, Message } from './message.ts'
import type { DeadReason } from './persistence.ts'
import type { HandlerRegistration } from './registry.ts'

/** A handler or command that failed, as plugins are asked about it. */
export interface Failure {
  readonly message: Message & { readonly kind: 'event' | 'command' }
  /** The message as it was given, before it was upcast and parsed. */
  readonly input: Message & { readonly kind: 'event' | 'command' }
  readonly definition: AnyDefinition | undefined
  readonly handler: string
  /** The same object for as long as the handler is registered. */
  readonly registration: HandlerRegistration
  /** What was thrown: any value. */
  readonly error: unknown
  /** How often the handler has run for this message. */
  readonly attempts: number
  /** The same object for every attempt that is made without leaving this process. */
  readonly context: HandlerContext
  readonly signal: AbortSignal
  /** Whether a store keeps the message: what becomes of it is then written there. */
  readonly isStored: boolean
  /** Whether the message tells of a failure itself, so that this one should set off nothing (R-ERR-3). */
  readonly isQuiet: boolean
}

/**
 * What becomes of a failure. `error` is what is recorded, logged and told in place of what was thrown.
 *
 * - `fail`: for good. `reason` is why the message is in the dead letters, if a store keeps it. Default `failed`.
 * - `discard`: for good, but a stored message does not go to the dead letters for it.
 * - `asIs`: the handler did not throw it, so a `BusError` is the result's own error, and not the cause of `HANDLER_FAILED`.
 * - `retry`: the handler runs again after the delay; its group, and its lane, wait for it. `isRefusal`: it did not run this
 *   time, so a store is told of no attempt.
 */
export type Decision =
  | {
      readonly action: 'fail'
      readonly reason?: DeadReason | undefined
      readonly error?: unknown
      readonly asIs?: boolean | undefined
    }
  | { readonly action: 'discard'; readonly error?: unknown; readonly asIs?: boolean | undefined }
  | {
      readonly action: 'retry'
      readonly delayMs: number
      readonly isRefusal?: boolean | undefined
      readonly error?: unknown
    }

/** A decision that was made, with what is recorded of the error. */
export interface Verdict {
  readonly error: unknown
  /** `undefined`: it failed for good. */
  readonly retryInMs?: number
  readonly isRefusal?: boolean
  readonly reason?: DeadReason
  /** A command ends with the error itself. */
  readonly asIs?: boolean
}

/** The reason of what was discarded: it never comes to a dead letter. */
export const DISCARDED = 'discarded'

/** A final failure of an event handler, as `bus.errors` keeps it. */
export interface HandlerFailure {
  readonly message: Message
  readonly handler: string
  readonly priority: number
  readonly error: unknown
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly failedAt: number
}
