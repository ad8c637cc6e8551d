import type { Clock } from '@buslane/core'

/** Time that moves only when told to. The store has no timers, so there are none. */
export class ManualClock implements Clock {
  time = Date.UTC(2026, 0, 1)

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }

  setTimer(): never {
    throw new Error('The store must not set timers')
  }

  clearTimer(): void {}

  advance(ms: number): void {
    this.time += ms
  }
}
