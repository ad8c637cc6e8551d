import type { CommandContext, EventContext } from './context.ts'
import type { CommandMessage, EventMessage, Metadata } from './message.ts'
import type { PublishReceipt } from './options.ts'

/**
 * Code around the bus's steps; any of three hooks. `next()` returns what the inner step returns. Around handlers it may
 * be called again (that is how retry works); the last value returned is the handler's.
 *
 * The first middleware given to `use` is the outermost. `use` also covers handlers that were registered before it.
 */
export interface Middleware {
  /** Around the handler of every command. */
  readonly command?: (command: CommandMessage, context: CommandContext, next: () => unknown) => unknown
  /** Around every handler of every event, once per handler. */
  readonly event?: (event: EventMessage, context: EventContext, next: () => unknown) => unknown
  /**
   * Around the acceptance of an event; it runs once, when the event is published or scheduled. `next({ metadata })` adds
   * to the event's metadata; not calling it filters the event. System events skip it.
   */
  readonly publish?: (event: EventMessage, next: PublishNext) => unknown
}

/** Accepts the event, with more metadata if it is given. A second call answers what the first did. */
export type PublishNext = (changes?: { readonly metadata?: Metadata }) => Promise<PublishReceipt>

type Hook<Context> = (message: never, context: Context, next: () => unknown) => unknown
type Run<Context> = (message: never, context: Context) => unknown

/** A context whose runs are counted: what middleware repeats is an attempt. */
export interface Counted {
  attempts: number
}

/** Folds middleware and a handler into one function, once per registration, so that a call has no list to walk. */
export const compose = <Context extends Counted>(
  hooks: readonly Hook<Context>[],
  handler: Run<Context>,
): Run<Context> =>
  hooks.reduceRight<Run<Context>>(
    (inner, hook) => (message, context) => hook(message, context, () => inner(message, context)),
    (message, context) => {
      context.attempts++
      return handler(message, context)
    },
  )
