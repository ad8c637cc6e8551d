import { BusError, describe, isBusError } from '../errors.ts'

/** The error of a call that the store could not answer. */
export const unavailable = (cause: unknown): BusError =>
  isBusError(cause, 'PERSISTENCE_UNAVAILABLE')
    ? cause
    : new BusError('PERSISTENCE_UNAVAILABLE', `The store cannot be used: ${describe(cause)}`, {
        cause,
        retryable: true,
      })

/** Whether trying again will not help. */
export const isFinal = (error: unknown): boolean => (error as { retryable?: unknown } | null)?.retryable === false
