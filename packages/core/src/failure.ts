import type { Message } from './message.ts'

/** A handler or command that failed, as plugins are asked about it. */
export interface Failure {
  readonly message: Message
  readonly handler: string
  /** What was thrown: any value. */
  readonly error: unknown
  /** How often the handler has run for this message. */
  readonly attempts: number
  readonly signal: AbortSignal
}

/** What becomes of a failure. `retry` runs the handler again after the delay; its group, and its lane, wait for it. */
export type Decision = { readonly action: 'fail' } | { readonly action: 'retry'; readonly delayMs: number }

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
