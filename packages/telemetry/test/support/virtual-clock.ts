import type { Clock } from '@buslane/core'

interface Timer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that moves only when told to. The wall clock may be stepped without the monotonic one noticing. */
export class VirtualClock implements Clock {
  #monotonic = 0
  #wall: number
  #order = 0
  readonly #timers = new Map<number, Timer>()
  /** How often a timer was set: what a bus costs while nothing is due. */
  timersSet = 0

  constructor(wall: number = Date.UTC(2026, 0, 1)) {
    this.#wall = wall
  }

  now(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  setTimer(callback: () => void, delayMs: number): number {
    const order = ++this.#order
    this.timersSet++
    this.#timers.set(order, { at: this.#monotonic + delayMs, order, callback })
    return order
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as number)
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves the wall clock only, as an operator or NTP does. */
  stepWall(byMs: number): void {
    this.#wall += byMs
  }

  /** Time passes while code runs: nothing fires. */
  elapse(ms: number): void {
    this.#monotonic += ms
    this.#wall += ms
  }

  /** Time passes, and what is due meanwhile fires in order, with all that follows from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms
    for (;;) {
      await settle()
      const next = [...this.#timers.values()].sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (!next || next.at > end) break
      this.#timers.delete(next.order)
      if (next.at > this.#monotonic) this.elapse(next.at - this.#monotonic)
      next.callback()
    }
    this.elapse(Math.max(0, end - this.#monotonic))
    await settle()
  }
}

/** Lets everything that waits for nothing but a turn of the event loop happen. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
