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
  #hints: Disposable | undefined
  #timer: ClockTimer = undefined
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

  /** An approval has changed. */
  changed(record: ApprovalRecord, firsthand?: Firsthand): void {
    const { id } = record.message
    const waiters = this.#waiting.get(id)
    if (!waiters || !isFinal(record.state)) return
    this.#waiting.delete(id)
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
    this.#hints ??= keeper.onHint(() => this.#look())
    if (this.#timer === undefined) this.#lookLater()
  }

  #rest(): void {
    this.#hints?.[Symbol.dispose]()
    this.#hints = undefined
    this.#host.clock.clearTimer(this.#timer)
    this.#timer = undefined
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
