import type {
  BusError,
  Clock,
  Decision,
  Failure,
  HandlerContext,
  Logger,
  RunContext,
  StoredError,
  WrappedHandler,
} from '@buslane/core'
import { storedError } from '@buslane/core/store-runner'
import { type Burials, MAX_ERRORS } from './burials.ts'
import type { IntakePause } from './intake-pause.ts'
import type { ResilienceOptions } from './options.ts'
import type { HandlerPolicy } from './policies.ts'
import { type FailureFacts, readRecovery, recover, type Recovery } from './recoverability.ts'

/** What recoveries need of the plugin around them. */
export interface RecoveriesHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly burials: Burials
  readonly options: ResilienceOptions
  readonly intake: IntakePause | undefined
  policyOf(handler: WrappedHandler): HandlerPolicy
}

/** What is remembered of a message in memory, or of one claim of a stored one, while one of its handlers fails. */
interface History {
  readonly firstFailedAt: number
  /** The last ones; of a stored message the store has them. */
  readonly errors: StoredError[]
  /** How often a command was refused: somebody waits for it, so that is one of its tries. An event waits until it is not refused. */
  refusals: number
}

/** How a run ended that its handler did not end. */
interface Ending {
  readonly error: BusError
  /** The handler was not called. */
  readonly isRefusal: boolean
}

/** Decides what becomes of failures: gathers the facts for {@link recover}, and does what comes of it. */
export class Recoveries {
  readonly #host: RecoveriesHost
  readonly #random: () => number
  readonly #histories = new WeakMap<HandlerContext, History>()
  /** By the run: the same error may be thrown on by a handler that executed a command. */
  readonly #endings = new WeakMap<HandlerContext, Ending>()

  constructor(host: RecoveriesHost) {
    this.#host = host
    this.#random = host.options.random ?? Math.random
  }

  /** This error is how a run ended, and not what its handler threw. */
  ended(context: HandlerContext, ending: Ending): void {
    this.#endings.set(context, ending)
  }

  /** What becomes of the failure. */
  decide(failure: Failure): Decision {
    const decision = this.#decide(failure)
    return decision.action === 'retry' || !this.#endingOf(failure) ? decision : { ...decision, asIs: true }
  }

  #decide(failure: Failure): Decision {
    const { message, attempts, isStored, isQuiet } = failure
    const error = this.#redacted(failure)
    if (isQuiet) return { action: 'fail', error }
    const isRefused = this.#isRefusal(failure)
    const history = this.#historyOf(failure)
    const waits = isRefused && message.kind === 'event'
    if (!waits) this.#remember(failure, history, error)
    if (isRefused && !waits) history.refusals++
    const facts: FailureFacts = {
      kind: message.kind,
      type: message.type,
      handler: failure.handler,
      sessionId: message.sessionId,
      error: failure.error,
      isRefused,
      attempts: attempts + history.refusals,
      elapsedMs: this.#host.clock.monotonic() - history.firstFailedAt,
      isStored,
      intakePausedMs: isStored ? this.#host.intake?.pausedMs(message.type) : undefined,
      retry: this.#policyOf(failure).retry,
      random: this.#jitter(),
    }
    return this.#act(this.#recovery(facts), failure, error, history)
  }

  #policyOf({ message: { kind, type }, definition, registration }: Failure): HandlerPolicy {
    return this.#host.policyOf({ kind, type, definition, registration })
  }

  #recovery(facts: FailureFacts): Recovery {
    const byDefault = recover(facts)
    const { options, logger } = this.#host
    if (!options.recover) return byDefault
    try {
      return readRecovery(options.recover(facts, byDefault) ?? byDefault)
    } catch (error) {
      logger.error({ error }, 'The recover option threw, or gave what is no recovery, so the default holds')
      return byDefault
    }
  }

  /** A source of the user's that gives nonsense must not lose the failure. */
  #jitter(): number {
    try {
      const random = this.#random()
      if (random >= 0 && random < 1) return random
    } catch {
      // As if it had given nonsense.
    }
    return Math.random()
  }

  #act(recovery: Recovery, failure: Failure, error: unknown, history: History): Decision {
    const { isStored, message, context } = failure
    const isRefusal = this.#isRefusal(failure)
    switch (recovery.action) {
      case 'retryNow':
        return { action: 'retry', delayMs: 0, isRefusal, error }
      case 'retryAt':
        return { action: 'retry', delayMs: recovery.delayMs, isRefusal, error }
      case 'discard':
        return { action: 'discard', error }
      case 'pauseIntake': {
        // It ran, but the attempt is not used up.
        if (!isRefusal) (context as RunContext).attempts = Math.max(0, failure.attempts - 1)
        return { action: 'retry', delayMs: recovery.delayMs, isRefusal: true, error }
      }
      case 'deadLetter': {
        const { reason } = recovery
        // Whoever reads the letter sees what it was refused for, after its attempts.
        if (isRefusal && message.kind === 'event') this.#remember(failure, history, error)
        if (!isStored) this.#host.burials.bury(failure, history.errors, reason)
        return { action: 'fail', reason, error }
      }
    }
  }

  #isRefusal(failure: Failure): boolean {
    return this.#endingOf(failure)?.isRefusal === true
  }

  #endingOf({ context, error }: Failure): Ending | undefined {
    const ending = this.#endings.get(context)
    return ending?.error === error ? ending : undefined
  }

  #historyOf({ context }: Failure): History {
    let history = this.#histories.get(context)
    if (!history) {
      history = { firstFailedAt: this.#host.clock.monotonic(), errors: [], refusals: 0 }
      this.#histories.set(context, history)
    }
    return history
  }

  #remember({ isStored }: Failure, { errors }: History, error: unknown): void {
    if (isStored) return
    errors.push(storedError(error, this.#host.clock.now()))
    if (errors.length > MAX_ERRORS) errors.shift()
  }

  #redacted(failure: Failure): unknown {
    const { error, message } = failure
    const { error: redact } = this.#host.options.redact ?? {}
    // A refusal is of this package, and tells nothing of the message.
    if (!redact || this.#isRefusal(failure)) return error
    try {
      return redact(error, { type: message.type })
    } catch {
      return new Error('An error that could not be redacted')
    }
  }
}
