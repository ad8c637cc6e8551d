import { BusError } from '@buslane/core'

/** Every error code of this package. */
export const ResilienceErrorCode = {
  /** The handler took longer than its `timeoutMs`. */
  HANDLER_TIMED_OUT: 'HANDLER_TIMED_OUT',
  /** The handler was not called, because its circuit is open. */
  CIRCUIT_OPEN: 'CIRCUIT_OPEN',
  /** The handler was not called, because as many calls as its bulkhead allows run and wait. */
  BULKHEAD_FULL: 'BULKHEAD_FULL',
  /** The handler was not called, because its rate limit is used up and enough calls wait. */
  RATE_LIMITED: 'RATE_LIMITED',
  /** The handler was not called, because the intake of its type is paused. */
  INTAKE_PAUSED: 'INTAKE_PAUSED',
  /** The handler was not called again, because its process died in each of its attempts. */
  ATTEMPTS_EXHAUSTED: 'ATTEMPTS_EXHAUSTED',
  /** The handler was not called, because an earlier message of its session is in the dead letters. */
  SEQUENCE_BLOCKED: 'SEQUENCE_BLOCKED',
  /** What a handler throws to say that trying again is useless. */
  NOT_RETRYABLE: 'NOT_RETRYABLE',
  /** What a handler throws to say when to try again. */
  RETRY_AFTER: 'RETRY_AFTER',
} as const

/**
 * Throw it in a handler where trying again is useless: the message goes to the dead letters at once, as `not-retryable`.
 *
 * @example
 * new NonRetryableError('the card was reported stolen').retryable // => false
 */
export class NonRetryableError extends BusError {
  override readonly name = 'NonRetryableError'

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super('NOT_RETRYABLE', message, { ...options, retryable: false })
  }
}

/**
 * Throw it in a handler to say when to try again, for instance after `Retry-After: 30`: it replaces the back-off of this attempt. The
 * attempt counts.
 *
 * @example
 * new RetryAfterError(30_000).retryAfterMs // => 30000
 */
export class RetryAfterError extends BusError {
  override readonly name = 'RetryAfterError'
  readonly retryAfterMs: number

  /** @throws {BusError} `INVALID_ARGUMENT` if `retryAfterMs` is not a finite number of milliseconds from 0. */
  constructor(
    retryAfterMs: number,
    message: string = `Try again in ${retryAfterMs} ms`,
    options: { readonly cause?: unknown } = {},
  ) {
    super('RETRY_AFTER', message, { ...options, retryable: true })
    if (!(Number.isFinite(retryAfterMs) && retryAfterMs >= 0)) {
      throw invalidOption('retryAfterMs', 'a finite number of milliseconds from 0', retryAfterMs)
    }
    this.retryAfterMs = retryAfterMs
  }
}

/** The reason of the signal, and the error of the attempt, of a handler that took too long. */
export class HandlerTimeoutError extends BusError {
  override readonly name = 'HandlerTimeoutError'
  readonly timeoutMs: number

  constructor(handler: string, type: string, timeoutMs: number, options: { readonly cause?: unknown } = {}) {
    super('HANDLER_TIMED_OUT', `Handler '${handler}' of '${type}' took longer than ${timeoutMs} ms`, options)
    this.timeoutMs = timeoutMs
  }
}

/** The handler was not called. `retryAfterMs`: when it will be tried. */
export class CircuitOpenError extends BusError {
  override readonly name = 'CircuitOpenError'
  readonly circuit: string
  readonly retryAfterMs: number

  constructor(circuit: string, retryAfterMs: number) {
    super('CIRCUIT_OPEN', `The circuit '${circuit}' is open for another ${Math.ceil(retryAfterMs)} ms`)
    this.circuit = circuit
    this.retryAfterMs = retryAfterMs
  }
}

export const bulkheadFull = (handler: string): BusError =>
  new BusError('BULKHEAD_FULL', `As many calls of '${handler}' run and wait as its bulkhead allows`)

export const rateLimited = (handler: string): BusError =>
  new BusError('RATE_LIMITED', `The rate limit of '${handler}' is used up, and as many calls wait as it allows`)

export const intakePaused = (type: string): BusError =>
  new BusError('INTAKE_PAUSED', `The intake of '${type}' is paused`)

export const attemptsExhausted = (handler: string, attempts: number): BusError =>
  new BusError('ATTEMPTS_EXHAUSTED', `Handler '${handler}' was begun ${attempts} times and never heard of again`)

export const sequenceBlocked = (sessionId: string, key: string): BusError =>
  new BusError('SEQUENCE_BLOCKED', `Session '${sessionId}' waits for its dead letter ${key}`)

export const invalidOption = (name: string, what: string, given: unknown): BusError =>
  new BusError('INVALID_ARGUMENT', `${name} must be ${what}, not ${textOf(given)}`)

const textOf = (value: unknown): string => {
  try {
    if (typeof value === 'string') return `'${value}'`
    if (typeof value === 'function') return 'a function'
    return typeof value === 'object' && value !== null ? 'an object' : String(value)
  } catch {
    return 'a value that cannot be shown'
  }
}
