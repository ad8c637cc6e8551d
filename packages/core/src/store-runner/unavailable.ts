import { BusError, describe, isBusError } from '../errors.ts'

/** The error of a call that the store could not answer. */
export const unavailable = (cause: unknown): BusError =>
  isBusError(cause, 'PERSISTENCE_UNAVAILABLE')
    ? cause
    : new BusError('PERSISTENCE_UNAVAILABLE', `The store cannot be used: ${describe(cause)}`, {
        cause,
        retryable: true,
      })

/** Whether it is about what was asked, and not about the store: to ask again at once will not help. */
export const isFinal = (error: unknown): boolean =>
  (error as { retryable?: unknown } | null)?.retryable === false || isBusError(error, 'IDEMPOTENCY_KEY_LOCKED')
