import { type DeadReason, isBusError } from '@buslane/core'
import { type CircuitOpenError, invalidOption, type RetryAfterError } from './errors.ts'
import { backOffMs, type RetryPolicy } from './retry.ts'

/** What becomes of a failure. */
export type Recovery =
  | { readonly action: 'retryNow' }
  /** After so many milliseconds. */
  | { readonly action: 'retryAt'; readonly delayMs: number }
  | { readonly action: 'deadLetter'; readonly reason: DeadReason }
  /** It is a failure of the handler and no more: nothing is kept of it. */
  | { readonly action: 'discard' }
  /** The event goes back to the store for so many milliseconds, and the attempt does not count. In memory it waits in its lane. */
  | { readonly action: 'pauseIntake'; readonly delayMs: number }

/** All that a recovery is decided by. Plain values: the same give the same answer. */
export interface FailureFacts {
  readonly kind: 'event' | 'command'
  readonly type: string
  readonly handler: string
  readonly sessionId: string
  readonly error: unknown
  /**
   * The handler was not called: its circuit is open, its bulkhead is full, its rate limit is used up, its intake is paused, or it was begun
   * too often already. An event uses up no attempt by that.
   */
  readonly isRefused: boolean
  /** How often the handler has run for this message, this time included; of a command also how often it was refused. */
  readonly attempts: number
  /** Since the first failure that this process saw, in milliseconds. */
  readonly elapsedMs: number
  /** Whether a store keeps the message. */
  readonly isStored: boolean
  /** Set while the intake of this stored type is paused: for how many milliseconds more. */
  readonly intakePausedMs: number | undefined
  readonly retry: RetryPolicy
  /** From 0 up to but not including 1: what jitter is made of. */
  readonly random: number
}

const deadLetter = (reason: DeadReason): Recovery => ({ action: 'deadLetter', reason })

/** How soon a handler that was not called is tried again at the earliest, in milliseconds. */
const LEAST_WAIT_MS = 100

/** The default: what the options say. Pure. @throws {BusError} `INVALID_ARGUMENT` for what are no facts. */
export const recover = (facts: FailureFacts): Recovery => {
  if (typeof facts?.retry !== 'object') throw invalidOption('facts', 'what recover() of the options is given', facts)
  const { kind, error, isRefused, attempts, retry, intakePausedMs } = facts
  // Somebody has yet to decide: that is no failure.
  if (isBusError(error, 'APPROVAL_PENDING')) return { action: 'discard' }
  // It was begun, its process died, and nobody but a person may have it begun again.
  if (isBusError(error, 'APPROVAL_INTERRUPTED')) return deadLetter('interrupted')
  if (isBusError(error, 'SEQUENCE_BLOCKED')) return deadLetter('sequence-blocked')
  if (!isRefused && !isWorthIt(retry, error)) return deadLetter('not-retryable')
  if (intakePausedMs !== undefined) return { action: 'pauseIntake', delayMs: intakePausedMs }
  if (isBusError(error, 'ATTEMPTS_EXHAUSTED')) return deadLetter('attempts-exhausted-without-report')
  // Whoever waits for a command is better off with the answer than with the time until the circuit closes.
  if (kind === 'command' && isCircuitOpen(error)) return deadLetter('circuit-open')
  // An event that was refused has used up nothing, so it waits however long that takes, unless it is to wait for nothing.
  const isLast = isRefused && kind === 'event' ? retry.maxAttempts === 1 : attempts >= retry.maxAttempts
  if (isLast) return deadLetter(reasonOf(error, retry))
  const delayMs = waitOf(facts)
  if (facts.elapsedMs + delayMs > retry.deadlineMs) return deadLetter(reasonOf(error, retry))
  return delayMs === 0 ? { action: 'retryNow' } : { action: 'retryAt', delayMs }
}

/**
 * What somebody else decided, read once.
 *
 * @throws {TypeError} if it is no recovery; and whatever its properties throw.
 */
export const readRecovery = (given: Recovery): Recovery => {
  const { action } = given
  switch (action) {
    case 'retryNow':
    case 'discard':
      return { action }
    case 'retryAt':
    case 'pauseIntake': {
      const { delayMs } = given
      if (Number.isFinite(delayMs) && delayMs >= 0) return { action, delayMs }
      throw new TypeError(`The delayMs of '${action}' must be a number of milliseconds from 0`)
    }
    case 'deadLetter': {
      const { reason } = given
      if (typeof reason === 'string' && reason !== '') return { action, reason }
      throw new TypeError('The reason of a deadLetter must be a string that is not empty')
    }
    default:
      if ((given as unknown) instanceof Promise) (given as Promise<unknown>).catch(() => undefined)
      throw new TypeError('A recovery must be given at once, and have one of the actions that there are')
  }
}

const waitOf = ({ error, isRefused, attempts, retry, random }: FailureFacts): number => {
  if (isRetryAfter(error)) return error.retryAfterMs
  const circuitMs = isCircuitOpen(error) ? error.retryAfterMs : 0
  return Math.max(circuitMs, isRefused ? LEAST_WAIT_MS : backOffMs(retry, attempts, random))
}

const reasonOf = (error: unknown, { maxAttempts }: RetryPolicy): DeadReason => {
  if (isBusError(error, 'HANDLER_TIMED_OUT')) return 'timed-out'
  if (isCircuitOpen(error)) return 'circuit-open'
  return maxAttempts > 1 ? 'attempts-exhausted' : 'failed'
}

/** A function of the user's that throws must not lose the failure. */
const isWorthIt = ({ retryIf }: RetryPolicy, error: unknown): boolean => {
  try {
    if (isBusError(error) && error.retryable === false) return false
    return retryIf === undefined || retryIf(error)
  } catch {
    return true
  }
}

// By code, since an error may come from another installed copy of this package.
const isRetryAfter = (error: unknown): error is RetryAfterError => isBusError(error, 'RETRY_AFTER')
const isCircuitOpen = (error: unknown): error is CircuitOpenError => isBusError(error, 'CIRCUIT_OPEN')
