import type { Clock, ClockTimer } from '@buslane/core'

/** The clock of one process: its durations are those of everybody, its wall clock goes wrong by itself. */
export class ProcessClock implements Clock {
  /** By how much the wall clock is ahead of the right one, in milliseconds. */
  aheadMs = 0
  readonly #right: Clock

  constructor(right: Clock) {
    this.#right = right
  }

  now(): number {
    return this.#right.now() + this.aheadMs
  }

  monotonic(): number {
    return this.#right.monotonic()
  }

  setTimer(callback: () => void, delayMs: number): ClockTimer {
    return this.#right.setTimer(callback, delayMs)
  }

  clearTimer(timer: ClockTimer): void {
    this.#right.clearTimer(timer)
  }
}
