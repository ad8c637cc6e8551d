import type { Clock } from './clock.ts'
import { describe } from './errors.ts'
import type { HandlerFailure } from './failure.ts'
import type { Logger } from './logger.ts'

/** A repeated failure of one handler, or of publishes with one code, is logged at most once in this time. */
const LOG_EVERY_MS = 60_000

interface Repeated {
  readonly level: 'error' | 'warn'
  readonly subject: string
  loggedAt: number
  since: number
}

/** The final failures of event handlers: the newest are kept, all are counted, and the log is not flooded. */
export class FailureLog {
  count = 0
  #kept: HandlerFailure[] = []
  #limit: number
  readonly #repeated = new Map<unknown, Repeated>()
  #pruneAt = 1000
  readonly #clock: Clock
  readonly #logger: Logger

  constructor(clock: Clock, logger: Logger, limit: number) {
    this.#clock = clock
    this.#logger = logger
    this.#limit = limit
  }

  /** Newest last. */
  get kept(): readonly HandlerFailure[] {
    return this.#kept.slice(-this.#limit)
  }

  setLimit(limit: number): void {
    this.#limit = limit
    this.#kept = limit === 0 ? [] : this.#kept.slice(-limit)
  }

  /** `handler` stands for one registration, whatever its name. */
  add(failure: HandlerFailure, handler: object): void {
    this.count++
    if (this.#limit > 0) this.#kept.push(failure)
    // Not one by one: that would move all of a long history for each failure.
    if (this.#kept.length > this.#limit * 1.1) this.#kept = this.#kept.slice(-this.#limit)
    const { error, message } = failure
    const subject = `Handler ${failure.handler} of '${message.type}' failed`
    this.say(handler, { level: 'error', subject, fields: { error, messageId: message.id } }, error)
  }

  /** Logs an error, but what is the same by `key` only once in a while, with how often it happened since. */
  say(
    key: unknown,
    { level, subject, fields }: Pick<Repeated, 'level' | 'subject'> & { readonly fields: object },
    error: unknown,
  ): void {
    const now = this.#clock.monotonic()
    const repeated = this.#repeated.get(key)
    if (repeated && now - repeated.loggedAt < LOG_EVERY_MS) {
      repeated.since++
      return
    }
    const more = repeated?.since ? ` (${repeated.since} more failures since it was last logged)` : ''
    this.#logger[level](fields, `${subject}: ${describe(error)}${more}`)
    if (this.#repeated.size >= this.#pruneAt) this.#prune(now - LOG_EVERY_MS)
    this.#repeated.set(key, { level, subject, loggedAt: now, since: 0 })
  }

  /** Logs what was held back. */
  flush(): void {
    this.#prune(Infinity)
  }

  /** Handlers come and go with sessions: forgets those that were last logged before a time. */
  #prune(before: number): void {
    for (const [key, { level, subject, loggedAt, since }] of this.#repeated) {
      if (loggedAt > before) continue
      if (since > 0) this.#logger[level]({}, `${subject} ${since} more times since it was last logged`)
      this.#repeated.delete(key)
    }
    this.#pruneAt = Math.max(1000, 2 * this.#repeated.size)
  }
}
