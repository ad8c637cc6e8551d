import type { Message, RunContext } from '@buslane/core'
import { Deadline } from './deadlines.ts'
import type { HandlerGuard, Permits } from './handler-guard.ts'

/** One run of a handler that has a time limit. */
export class TimedRun extends Deadline {
  #state: 'running' | 'aborted' | 'ran-away' = 'running'
  readonly #guard: HandlerGuard
  readonly #message: Message
  readonly #context: RunContext
  readonly #permits: Permits
  readonly #timeoutMs: number
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void

  constructor(guard: HandlerGuard, message: Message, context: RunContext, permits: Permits, timeoutMs: number) {
    super()
    this.#guard = guard
    this.#message = message
    this.#context = context
    this.#permits = permits
    this.#timeoutMs = timeoutMs
  }

  follow(value: PromiseLike<unknown>): Promise<unknown> {
    this.#guard.host.deadlines.add(this, this.#timeoutMs)
    value.then(this.#fulfilled, this.#rejected)
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  expire(): void {
    const { host, record } = this.#guard
    if (this.#state === 'running') {
      this.#state = 'aborted'
      record.tally.timeouts++
      // It may end by itself now, and is given a moment for that, so that the next group does not run beside it.
      host.deadlines.add(this, host.graceMs)
      host.abort(this.#context, this.#guard.timedOut())
      return
    }
    this.#state = 'ran-away'
    record.tally.runaways++
    host.ranAway(this.#message, record.name, this.#timeoutMs)
    this.#timeOut()
  }

  readonly #fulfilled = (value: unknown): void => {
    if (this.#ended()) return
    this.#guard.succeeded(this.#message, this.#permits)
    this.#resolve(value)
  }

  readonly #rejected = (error: unknown): void => {
    if (this.#ended()) return
    if (this.#state === 'aborted') this.#timeOut(error)
    else this.#fail(error)
  }

  #timeOut(cause?: unknown): void {
    const error = this.#guard.timedOut(cause)
    this.#guard.host.ended(this.#context, error, false)
    this.#fail(error)
  }

  #fail(error: unknown): void {
    this.#guard.failed(this.#message, this.#context, error, this.#permits)
    this.#reject(error)
  }

  /** Whether nobody waits for it any more. */
  #ended(): boolean {
    this.#guard.host.deadlines.remove(this)
    if (this.#state !== 'ran-away') return false
    this.#guard.record.tally.runaways--
    return true
  }
}
