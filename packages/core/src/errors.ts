import type { StandardIssue } from './schema.ts'

/** Every error code of core, by name. Codes are stable: match on them, never on messages. */
export const ErrorCode = {
  /** The call, or the wait, was ended by the `signal` that was given with it. */
  ABORTED: 'ABORTED',
  /** The bus is stopping or stopped and takes no more work. */
  BUS_STOPPED: 'BUS_STOPPED',
  /** The event of a `publishAndWait` was dropped by the queue's strategy. */
  EVENT_DROPPED: 'EVENT_DROPPED',
  /** A filter or a publish middleware threw, so the event was not accepted; see `cause`. */
  FILTER_FAILED: 'FILTER_FAILED',
  /** A handler threw or rejected; see `cause`. */
  HANDLER_FAILED: 'HANDLER_FAILED',
  /** One handler call published more than its share into a full queue. */
  HANDLER_PUBLISH_LIMIT: 'HANDLER_PUBLISH_LIMIT',
  /** A second command handler was registered for one type in one scope. */
  HANDLER_EXISTS: 'HANDLER_EXISTS',
  /** A transaction that has not ended uses the idempotency key, so it is not known yet whether this is a duplicate. Publish again later. */
  IDEMPOTENCY_KEY_LOCKED: 'IDEMPOTENCY_KEY_LOCKED',
  /** An argument or option is not what it must be; the message names it. */
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  /** A payload did not pass its schema; see `issues`. */
  INVALID_PAYLOAD: 'INVALID_PAYLOAD',
  /** A command handler's value did not pass the result schema; see `issues`. */
  INVALID_RESULT: 'INVALID_RESULT',
  /** The `lane` function threw or gave something that is not a string or `undefined`. */
  LANE_FAILED: 'LANE_FAILED',
  /** The store gave this event to another worker, because this one was not heard of in time. */
  LEASE_LOST: 'LEASE_LOST',
  /** More handlers wait inside each other than `maxNestedWaits` allows; see `chain`. */
  NESTED_WAIT_LIMIT: 'NESTED_WAIT_LIMIT',
  /** No handler is registered for the command. */
  NO_HANDLER: 'NO_HANDLER',
  /** A durable publish, a transaction or an idempotency key needs a store that is not there, or cannot be reached. */
  PERSISTENCE_UNAVAILABLE: 'PERSISTENCE_UNAVAILABLE',
  /** A plugin failed to install or to start; see `cause`. */
  PLUGIN_FAILED: 'PLUGIN_FAILED',
  /** The queue, or the buffer before `start()`, is full. */
  QUEUE_FULL: 'QUEUE_FULL',
  /** The session has ended or is ending. */
  SESSION_ENDED: 'SESSION_ENDED',
  /** A session of that id is open. */
  SESSION_EXISTS: 'SESSION_EXISTS',
  /** The reader of `bus.events()` fell too far behind. */
  STREAM_OVERFLOW: 'STREAM_OVERFLOW',
  /** The call took longer than its `timeoutMs`. */
  TIMED_OUT: 'TIMED_OUT',
  /** Two different definitions of one type meet on one bus. */
  TYPE_CONFLICT: 'TYPE_CONFLICT',
  /** A message of a version that its definition does not know. */
  UNKNOWN_VERSION: 'UNKNOWN_VERSION',
  /** An adapter speaks a contract version that this core does not know. */
  UNSUPPORTED_CONTRACT: 'UNSUPPORTED_CONTRACT',
} as const

/** One of the stable codes in {@link ErrorCode}, or a code of another package. */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode] | (string & {})

const brand = Symbol.for('buslane.error')

/**
 * The base of every error that Buslane makes. `code` says what happened and is stable, the message says what failed, on
 * what, and what to do, `cause` keeps what was thrown underneath.
 *
 * @example
 * const result = await createBus().execute(defineCommand('order.place')())
 * result.success ? 'placed' : result.error.code // => 'NO_HANDLER'
 */
export class BusError extends Error {
  override readonly name: string = 'BusError'
  readonly code: ErrorCode
  /** Whether trying again may help, where whoever threw it knows. */
  readonly retryable: boolean | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly retryable?: boolean | undefined } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryable = options.retryable
    Object.defineProperty(this, brand, { value: true })
  }
}

/** A payload or a result that its schema refused; `issues` are the schema's own (Standard Schema v1). */
export class InvalidPayloadError extends BusError {
  override readonly name = 'InvalidPayloadError'
  readonly issues: readonly StandardIssue[]

  constructor(code: 'INVALID_PAYLOAD' | 'INVALID_RESULT', what: string, issues: readonly StandardIssue[]) {
    // Nothing makes a schema keep to the standard.
    const list = issues.map((issue: Partial<StandardIssue> | null | undefined) => {
      const path = Array.isArray(issue?.path) ? (issue.path as NonNullable<StandardIssue['path']>) : []
      const at = path.map((step) => describe(typeof step === 'object' ? step?.key : step)).join('.')
      const message = describe(issue?.message)
      return at ? `${at}: ${message}` : message
    })
    super(code, `${what} does not fit its schema: ${list.join('; ')}`)
    this.issues = issues
  }
}

/** Handlers waiting inside each other, outermost first in `chain`; see `maxNestedWaits`. */
export class NestedWaitError extends BusError {
  override readonly name = 'NestedWaitError'
  readonly chain: readonly string[]

  constructor(limit: number, chain: readonly string[]) {
    super(
      'NESTED_WAIT_LIMIT',
      `More than ${limit} handlers wait inside each other: ${chain.join(' > ')}. ` +
        'Use publish() where the result is not needed, or raise maxNestedWaits',
    )
    this.chain = chain
  }
}

/** Whether `error` is a {@link BusError}, also one of another installed copy of core, and of that code if one is given. */
export const isBusError = (error: unknown, code?: ErrorCode): error is BusError => {
  try {
    return (
      error instanceof Error && brand in error && (code === undefined || (error as { code?: unknown }).code === code)
    )
  } catch {
    return false // a proxy or a getter of whoever threw it
  }
}

/** `error` itself if the bus made it, else an error of `code` that carries it as `cause`. */
export const asBusError = (error: unknown, code: ErrorCode, message: string): BusError =>
  isBusError(error) ? error : new BusError(code, `${message}: ${describe(error)}`, { cause: error })

/** A short text of any thrown value; never throws itself. */
export const describe = (thrown: unknown): string => {
  try {
    // Nor need a message be a text.
    if (typeof thrown === 'function') return 'a function'
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'a value that cannot be shown'
  }
}

/** An argument as a message shows it: nothing of what is inside of objects and functions. */
export const shown = (given: unknown): string => {
  if (typeof given === 'string') return `'${given}'`
  if (Array.isArray(given)) return 'an array'
  return typeof given === 'object' && given !== null ? 'an object' : describe(given)
}

export const invalid = (message: string): BusError => new BusError('INVALID_ARGUMENT', message)

export const aborted = (what: string, reason?: unknown): BusError =>
  isBusError(reason) ? reason : new BusError('ABORTED', `${what} was aborted`, { cause: reason })
