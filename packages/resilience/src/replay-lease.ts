import type { DeliveryLease, HandlerOutcome, StoredError } from '@buslane/core'
import { storedError } from '@buslane/core/store-runner'
import type { BoxedLetter } from './letter-box.ts'

interface ReplayHost {
  now(): number
  /** The handler is done with the message. */
  done(lease: ReplayLease): void
  /** It failed for good once more. */
  failed(lease: ReplayLease, outcome: HandlerOutcome): void
  /** It did not run to its end: the letter goes back as it was. */
  putBack(lease: ReplayLease): void
}

/** What a message from the box has instead of a store's lease: only the handler that failed runs again. */
export class ReplayLease implements DeliveryLease {
  readonly boxed: BoxedLetter
  readonly errors: StoredError[] = []
  /** Its retries are waited for in memory. */
  readonly parkAfterMs: number = Infinity
  readonly #host: ReplayHost
  #isHandled = false

  constructor(boxed: BoxedLetter, host: ReplayHost) {
    this.boxed = boxed
    this.#host = host
  }

  /** It is not put to work after all. */
  abandon(): void {
    this.#host.done(this)
  }

  begin(plan: Parameters<DeliveryLease['begin']>[0]): true {
    this.#isHandled = plan.some(({ identity }) => identity === this.boxed.identity)
    return true
  }

  check(): true {
    return true
  }

  earlier(handler: string | undefined): 'unknown' | undefined {
    return handler === this.boxed.identity ? undefined : 'unknown'
  }

  attemptsOf(): number {
    return 0
  }

  handlerSettled(_handler: string, outcome: HandlerOutcome): void {
    if (outcome.status === 'rejected') this.errors.push(storedError(outcome.error, this.#host.now()))
  }

  async settle(outcomes: readonly HandlerOutcome[]): Promise<void> {
    const [bad] = outcomes.filter(({ status }) => status !== 'fulfilled' && status !== 'skipped')
    // Its handler may have gone since it was asked for.
    if (!this.#isHandled) this.#host.putBack(this)
    else if (!bad) this.#host.done(this)
    else if (bad.status === 'rejected' || bad.status === 'timed-out') this.#host.failed(this, bad)
    else this.#host.putBack(this)
  }

  async release(): Promise<void> {
    this.#host.putBack(this)
  }

  completeIn(): Promise<never> {
    return Promise.reject(new Error('completeIn() is for events that a store keeps'))
  }
}
