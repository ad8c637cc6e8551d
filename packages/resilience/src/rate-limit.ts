import type { BusError, Clock, ClockTimer } from '@buslane/core'
import { waitIn } from './bulkhead.ts'
import { above0, checkOptions, whole } from './check-options.ts'

/** How often one handler is called. */
export interface RateLimitOptions {
  /** So many calls in each `perMs`, all at once if they were saved up: a whole number from 1. */
  readonly calls: number
  /** In milliseconds. Default 1,000. */
  readonly perMs?: number | undefined
  /** So many more wait for their turn, in order; beyond that a call fails with `RATE_LIMITED`. Default: no limit. */
  readonly maxQueued?: number | undefined
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkRateLimit = (where: string, options: RateLimitOptions | undefined): void => {
  if (options !== undefined) checkOptions(where, options, { calls: whole(1), perMs: above0, maxQueued: whole(0) })
}

/** A bucket of tokens that fills at a steady rate; those who find it empty wait in order. */
export class RateLimit {
  readonly #calls: number
  readonly #msPerToken: number
  readonly #maxQueued: number
  readonly #limited: () => BusError
  readonly #clock: Clock
  readonly #queue = new Set<() => void>()
  #tokens: number
  #filledAt: number
  #timer: ClockTimer = undefined

  constructor({ calls, perMs = 1000, maxQueued = Infinity }: RateLimitOptions, clock: Clock, limited: () => BusError) {
    this.#calls = calls
    this.#msPerToken = perMs / calls
    this.#maxQueued = maxQueued
    this.#limited = limited
    this.#clock = clock
    this.#tokens = calls
    this.#filledAt = clock.monotonic()
  }

  /** As the bulkhead's `enter`. */
  enter(signal: () => AbortSignal): Promise<void> | undefined {
    this.#fill()
    if (this.#queue.size === 0 && this.#tokens >= 1) {
      this.#tokens--
      return undefined
    }
    if (this.#queue.size >= this.#maxQueued) return Promise.reject(this.#limited())
    const waiting = waitIn(this.#queue, signal())
    this.#arm()
    // A bucket may take hours to fill: nobody must be kept waiting for a timer that is for nobody.
    waiting.catch(() => this.#disarm())
    return waiting
  }

  #fill(): void {
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(this.#calls, this.#tokens + (now - this.#filledAt) / this.#msPerToken)
    this.#filledAt = now
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#queue.size === 0) return
    // A little more than the time to a full token, because rounding must not wake us just before it.
    const waitMs = Math.ceil((1 - this.#tokens) * this.#msPerToken)
    this.#timer = this.#clock.setTimer(this.#wake, Math.max(1, waitMs))
  }

  #disarm(): void {
    if (this.#queue.size > 0) return
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  readonly #wake = (): void => {
    this.#timer = undefined
    this.#fill()
    for (const next of this.#queue) {
      if (this.#tokens < 1) break
      this.#tokens--
      this.#queue.delete(next)
      next()
    }
    this.#arm()
  }
}
