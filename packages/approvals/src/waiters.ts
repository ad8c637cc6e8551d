import type { Clock, ClockTimer, Logger } from '@buslane/core'
import type { Keeper } from './keeper.ts'
import { type ApprovalRecord, isFinal } from './record.ts'

/** What this process knows of a run that it made, which the record cannot say: values and errors as they were. */
export type Firsthand = { readonly value: unknown } | { readonly error: unknown }

/** How an approval ended. */
export interface Ending {
  readonly record: ApprovalRecord
  readonly firsthand: Firsthand | undefined
}

/** Hints make who waits look at most so often. */
const HINT_GAP_MS = 100

interface Waiter {
  readonly resolve: (ending: Ending) => void
}

interface WaitersHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly keeper: Keeper
}

/**
 * Who waits for approvals here. What this process changes is told at once; of what others change there are hints, and, only while
 * somebody waits, a slow look, since a hint may be lost.
 */
export class Waiters {
  readonly #host: WaitersHost
  readonly #waiting = new Map<string, Set<Waiter>>()
  readonly #known = new Map<string, { readonly token: string; readonly firsthand: Firsthand }>()
  #hints: Disposable | undefined
  #timer: ClockTimer = undefined
  /** Set while a look is put off because the last was a moment ago. */
  #soon: ClockTimer = undefined
  #lookedAt = -Infinity
  #looking = false
  #lookAgain = false

  constructor(host: WaitersHost) {
    this.#host = host
  }

  /** Resolves when the approval has ended. *Failure*: rejects with the signal's reason. */
  wait(id: string, signal: AbortSignal): Promise<Ending> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      const waiter: Waiter = {
        resolve: (ending) => {
          signal.removeEventListener('abort', onAbort)
          resolve(ending)
        },
      }
      const onAbort = (): void => {
        this.#remove(id, waiter)
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      const others = this.#waiting.get(id) ?? new Set()
      this.#waiting.set(id, others.add(waiter))
      this.#watch()
      // It may have ended before anybody listened.
      this.#look()
    })
  }

  /** A run here is about to be written down: whoever reads of it, by a hint perhaps, knows more than the record says. */
  know(id: string, token: string, firsthand: Firsthand): void {
    this.#known.set(id, { token, firsthand })
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  /** An approval has changed. */
  changed(record: ApprovalRecord): void {
    const { state, message } = record
    const waiters = this.#waiting.get(message.id)
    if (!waiters || !isFinal(state)) return
    const known = this.#known.get(message.id)
    const firsthand = known && 'run' in state && state.run?.token === known.token ? known.firsthand : undefined
    this.#waiting.delete(message.id)
    for (const waiter of waiters) waiter.resolve({ record, firsthand })
    if (this.#waiting.size === 0) this.#rest()
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(id)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#rest()
  }

  #watch(): void {
    const { keeper } = this.#host
    this.#hints ??= keeper.onHint(() => this.#hinted())
    if (this.#timer === undefined) this.#lookLater()
  }

  #rest(): void {
    this.#hints?.[Symbol.dispose]()
    this.#hints = undefined
    this.#host.clock.clearTimer(this.#timer)
    this.#host.clock.clearTimer(this.#soon)
    this.#timer = this.#soon = undefined
  }

  /** On a busy store there are hints all the time, and hardly any is about an approval. */
  #hinted(): void {
    const { clock } = this.#host
    if (this.#soon !== undefined) return
    const waitMs = this.#lookedAt + HINT_GAP_MS - clock.monotonic()
    if (waitMs <= 0) return this.#look()
    this.#soon = clock.setTimer(() => {
      this.#soon = undefined
      this.#look()
    }, waitMs)
  }

  #lookLater(): void {
    const { clock, keeper } = this.#host
    if (keeper.lookEveryMs === undefined) return
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined
      if (this.#waiting.size === 0) return
      this.#lookLater()
      this.#look()
    }, keeper.lookEveryMs)
  }

  #look(): void {
    this.#lookedAt = this.#host.clock.monotonic()
    this.#lookAgain = true
    if (!this.#looking) void this.#lookAtAll()
  }

  async #lookAtAll(): Promise<void> {
    const { keeper, logger } = this.#host
    this.#looking = true
    while (this.#lookAgain) {
      this.#lookAgain = false
      for (const id of this.#waiting.keys()) {
        try {
          const kept = await keeper.get(id)
          if (kept) this.changed(kept.record)
        } catch (error) {
          // The store tells of its own trouble, and the next look comes.
          logger.debug({ error, id }, `Approval ${id} cannot be looked at now`)
          break
        }
      }
    }
    this.#looking = false
  }
}
