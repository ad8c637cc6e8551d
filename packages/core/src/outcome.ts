import type { DeadReason } from './persistence.ts'

/** How one handler of an event ended. */
export type HandlerOutcome = {
  readonly name: string
  readonly priority: number
  /** How often it ran; 0 if never. */
  readonly attempts: number
  readonly durationMs: number
} & (
  | { readonly status: 'fulfilled'; readonly value: unknown }
  | { readonly status: 'rejected'; readonly error: unknown; readonly reason?: DeadReason }
  | { readonly status: 'timed-out' | 'aborted'; readonly error: unknown }
  /** Removed before its group started, or its event was ended by `onGroupFailure: 'stop'`. */
  | { readonly status: 'skipped' }
)

/** What `publishAndWait` resolves with: how every handler ended, in the order they started. */
export interface EventOutcome {
  readonly eventId: string
  readonly disposition: 'handled' | 'filtered'
  readonly handlers: readonly HandlerOutcome[]
  /** How many handlers were rejected, timed out or aborted. */
  readonly failed: number
  /** Throws one `AggregateError` with the errors of all handlers that failed; does nothing if none did. */
  throwIfFailed(): void
}

export const createOutcome = (
  eventId: string,
  type: string,
  disposition: 'handled' | 'filtered',
  handlers: readonly HandlerOutcome[],
): EventOutcome => {
  const errors = handlers.filter((handler) => 'error' in handler).map(({ error }) => error)
  return {
    eventId,
    disposition,
    handlers,
    failed: errors.length,
    throwIfFailed() {
      if (errors.length > 0) {
        throw new AggregateError(errors, `${errors.length} of ${handlers.length} handlers of '${type}' failed`)
      }
    },
  }
}
