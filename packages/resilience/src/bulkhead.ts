import type { BusError } from '@buslane/core'
import { checkOptions, whole } from './check-options.ts'

/** How many calls of one handler run at once. */
export interface BulkheadOptions {
  /** At most so many run at once: a whole number from 1. */
  readonly maxConcurrent: number
  /** So many more wait for their turn, in order; beyond that a call fails with `BULKHEAD_FULL`. Default: no limit. */
  readonly maxQueued?: number | undefined
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkBulkhead = (where: string, options: BulkheadOptions | undefined): void => {
  if (options !== undefined) checkOptions(where, options, { maxConcurrent: whole(1), maxQueued: whole(0) })
}

/** Lets so many in at once, and the others in order. */
export class Bulkhead {
  running = 0
  readonly #maxConcurrent: number
  readonly #maxQueued: number
  readonly #full: () => BusError
  readonly #queue = new Set<() => void>()

  constructor({ maxConcurrent, maxQueued = Infinity }: BulkheadOptions, full: () => BusError) {
    this.#maxConcurrent = maxConcurrent
    this.#maxQueued = maxQueued
    this.#full = full
  }

  /** `undefined`: in at once. Rejects when it is full, or when the signal is raised while it waits. */
  enter(signal: () => AbortSignal): Promise<void> | undefined {
    if (this.running < this.#maxConcurrent) {
      this.running++
      return undefined
    }
    if (this.#queue.size >= this.#maxQueued) return Promise.reject(this.#full())
    return waitIn(this.#queue, signal())
  }

  leave(): void {
    const [next] = this.#queue
    if (!next) {
      this.running--
      return
    }
    this.#queue.delete(next)
    next()
  }
}

/** Resolves when what is put into the queue is called; the signal takes it out. */
export const waitIn = (queue: Set<() => void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = (): void => {
      queue.delete(go)
      reject(signal.reason as Error)
    }
    const go = (): void => {
      signal.removeEventListener('abort', abort)
      resolve()
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    queue.add(go)
  })
