import type { BusError, Clock, HandlerContext, HandlerRun, Message, RunContext, WrappedHandler } from '@buslane/core'
import { isBusError } from '@buslane/core'
import { Bulkhead } from './bulkhead.ts'
import type { Circuit, Permit } from './circuit.ts'
import type { Deadlines } from './deadlines.ts'
import {
  attemptsExhausted,
  bulkheadFull,
  CircuitOpenError,
  HandlerTimeoutError,
  intakePaused,
  rateLimited,
} from './errors.ts'
import type { HandlerPolicy } from './policies.ts'
import { RateLimit } from './rate-limit.ts'
import type { Tally } from './handler-stats.ts'
import { TimedRun } from './timed-run.ts'

/** What a guard needs of the plugin around it. */
export interface GuardHost {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** How long a handler may take to end after its signal was raised, in milliseconds. */
  readonly graceMs: number
  abort(context: HandlerContext, error: BusError): void
  /** It ignores its signal. */
  ranAway(message: Message, handler: string, timeoutMs: number): void
  /** Stops what is stored of a type while too much of it fails. */
  intakeOf(type: string): Circuit | undefined
  /** This error is how the run ended, and not what the handler threw. `isRefusal`: it was not even called. */
  ended(context: RunContext, error: BusError, isRefusal: boolean): void
  /** Whether something has to be in order before the message may be handled: rejects if it is not. */
  inSequence(message: Message, context: RunContext): Promise<void> | undefined
  tallyOfSession(sessionId: string): Tally | undefined
  lastFailure(error: unknown): { readonly failedAt: number; readonly name: string; readonly message: string }
}

/** What handlers of one name and type share. */
export interface HandlerRecord {
  readonly kind: 'event' | 'command'
  readonly type: string
  readonly name: string
  readonly policy: HandlerPolicy
  readonly tally: Tally
  readonly circuit: Circuit | undefined
}

/** The rights that a call was given; they are given back when it has ended. */
export interface Permits {
  readonly circuit: Permit | undefined
  readonly intake: Permit | undefined
}

const NONE: Permits = { circuit: undefined, intake: undefined }

/** What is around one handler: counts its runs, and keeps them within its policy. */
export class HandlerGuard {
  readonly record: HandlerRecord
  readonly host: GuardHost
  readonly #bulkhead: Bulkhead | undefined
  readonly #rateLimit: RateLimit | undefined
  /** Runs that may be one too many: a store says that they were begun so often and never heard of again. */
  readonly #excused = new WeakSet<RunContext>()

  constructor(host: GuardHost, record: HandlerRecord, { registration }: WrappedHandler) {
    this.host = host
    this.record = record
    const { bulkhead, rateLimit } = record.policy
    const { name } = registration
    this.#bulkhead = bulkhead && new Bulkhead(bulkhead, () => bulkheadFull(name))
    this.#rateLimit = rateLimit && new RateLimit(rateLimit, host.clock, () => rateLimited(name))
  }

  around(run: HandlerRun): HandlerRun {
    const isGated = this.record.circuit !== undefined || this.#bulkhead !== undefined || this.#rateLimit !== undefined
    return (message, context) =>
      isGated || context.isStored ? this.#enter(message, context, run) : this.#call(message, context, run, NONE)
  }

  /** The call ended well. */
  succeeded(message: Message, permits: Permits): void {
    const { tally, circuit, type } = this.record
    const now = this.host.clock.monotonic()
    tally.succeeded(now)
    this.host.tallyOfSession(message.sessionId)?.succeeded(now)
    if (permits === NONE) return
    if (permits.circuit !== undefined) circuit!.succeeded(permits.circuit)
    if (permits.intake !== undefined) this.host.intakeOf(type)!.succeeded(permits.intake)
    this.#bulkhead?.leave()
  }

  failed(message: Message, context: RunContext, error: unknown, permits: Permits): void {
    const { tally, circuit, type } = this.record
    const { signal } = context
    // What was ended from outside says nothing about the handler, nor does an approval that is still to come.
    const isItsOwn =
      !(signal.aborted && !isBusError(signal.reason, 'HANDLER_TIMED_OUT')) && !isBusError(error, 'APPROVAL_PENDING')
    if (isItsOwn) {
      const now = this.host.clock.monotonic()
      const failure = this.host.lastFailure(error)
      tally.failed(now, failure)
      this.host.tallyOfSession(message.sessionId)?.failed(now, failure)
    }
    if (permits === NONE) return
    const intake = permits.intake === undefined ? undefined : this.host.intakeOf(type)
    if (isItsOwn) {
      if (permits.circuit !== undefined) circuit!.failed(permits.circuit, error)
      intake?.failed(permits.intake!, error)
    } else {
      if (permits.circuit !== undefined) circuit!.returned(permits.circuit)
      intake?.returned(permits.intake!)
    }
    this.#bulkhead?.leave()
  }

  #enter(message: Message, context: RunContext, run: HandlerRun): unknown {
    if (context.isStored) {
      this.#requireAttempts(context)
      const inSequence = this.host.inSequence(message, context)
      if (inSequence) return inSequence.then(() => this.#queue(message, context, run))
    }
    return this.#queue(message, context, run)
  }

  #queue(message: Message, context: RunContext, run: HandlerRun): unknown {
    const signal = (): AbortSignal => context.signal
    const refuse = (error: unknown): never => {
      // While it waits it is ended by its signal only, and that is no refusal.
      throw context.signal.aborted ? error : this.#refusal(context, error as BusError)
    }
    const room = (): unknown => {
      const entered = this.#bulkhead?.enter(signal)
      if (entered) return entered.then(() => this.#admit(message, context, run), refuse)
      return this.#admit(message, context, run)
    }
    const turn = this.#rateLimit?.enter(signal)
    return turn ? turn.then(room, refuse) : room()
  }

  #admit(message: Message, context: RunContext, run: HandlerRun): unknown {
    const { circuit, type, name } = this.record
    const intake = context.isStored ? this.host.intakeOf(type) : undefined
    const intakePermit = intake?.acquire()
    if (intake && intakePermit === undefined) {
      this.#bulkhead?.leave()
      throw this.#refusal(context, intakePaused(type))
    }
    const permit = circuit?.acquire()
    if (circuit && permit === undefined) {
      if (intakePermit !== undefined) intake!.returned(intakePermit)
      this.#bulkhead?.leave()
      const circuitName = circuit.name === '' ? name : circuit.name
      throw this.#refusal(context, new CircuitOpenError(circuitName, circuit.retryAfterMs))
    }
    const permits: Permits = { circuit: permit, intake: intakePermit }
    return this.#call(message, context, run, permits)
  }

  #call(message: Message, context: RunContext, run: HandlerRun, permits: Permits): unknown {
    const { tally, policy } = this.record
    tally.executions++
    const session = this.host.tallyOfSession(message.sessionId)
    if (session) session.executions++
    let value: unknown
    try {
      value = run(message, context)
    } catch (error) {
      this.failed(message, context, error, permits)
      throw error
    }
    if (!isThenable(value)) {
      this.succeeded(message, permits)
      return value
    }
    if (policy.timeoutMs !== undefined)
      return new TimedRun(this, message, context, permits, policy.timeoutMs).follow(value)
    return value.then(
      (result) => {
        this.succeeded(message, permits)
        return result
      },
      (error: unknown) => {
        this.failed(message, context, error, permits)
        throw error
      },
    )
  }

  /** A handler that ends its process must not be begun for ever: what became of those attempts nobody reported. */
  #requireAttempts(context: RunContext): void {
    const { name, policy } = this.record
    const { attempts } = context
    if (attempts < policy.retry.maxAttempts || this.#excused.has(context)) return
    this.#excused.add(context)
    throw this.#refusal(context, attemptsExhausted(name, attempts))
  }

  #refusal(context: RunContext, error: BusError): BusError {
    this.host.ended(context, error, true)
    return error
  }

  timedOut(cause?: unknown): HandlerTimeoutError {
    const { name, type, policy } = this.record
    return new HandlerTimeoutError(name, type, policy.timeoutMs!, cause === undefined ? {} : { cause })
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof (value as { then?: unknown }).then === 'function'
