import type { Clock } from '@buslane/core'
import { type Duration, toMs } from './duration.ts'

interface Timer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
}

/** A chain of steps that read no clock is over after so many turns of the event loop. */
const QUIET_TURNS = 5
/** What reads the clock in every turn, for ever, waits for time to pass. */
const MOST_TURNS = 2000

// Taken when loaded: fake timers of a test runner replace the global, and never fire by themselves.
const { setImmediate } = globalThis

/**
 * A clock that moves only when told to, for tests of anything that waits. {@link createTestBus} has one; make your own to share it
 * between several buses and a store, or with code of yours that takes a `Clock`.
 *
 * - *Order*: timers fire by due time, then in the order in which they were set; what a fired one sets fires in its turn too.
 * - *Wall clock*: starts at 2026-01-01 UTC unless told otherwise; `stepWall` sets it without the monotonic clock noticing.
 *
 * @example
 * const clock = new VirtualClock()
 * let fired = false
 * clock.setTimer(() => { fired = true }, 3_600_000)
 * await clock.advance('1h')
 * fired // => true
 */
export class VirtualClock implements Clock {
  #monotonic = 0
  #wall: number
  #order = 0
  /** How often anybody has looked at the clock or set a timer: while that grows, something is going on. */
  #uses = 0
  readonly #timers = new Map<number, Timer>()

  /** `wall`: the wall clock's first reading, epoch milliseconds. */
  constructor(wall: number = Date.UTC(2026, 0, 1)) {
    this.#wall = wall
  }

  now(): number {
    this.#uses += 1
    return this.#wall
  }

  monotonic(): number {
    this.#uses += 1
    return this.#monotonic
  }

  setTimer(callback: () => void, delayMs: number): number {
    this.#uses += 1
    const order = ++this.#order
    this.#timers.set(order, { at: this.#monotonic + delayMs, order, callback })
    return order
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as number)
  }

  /** How many timers are set and have not fired. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves the wall clock only, by so many milliseconds, as an operator or NTP does. */
  stepWall(byMs: number): void {
    this.#wall += byMs
  }

  /** Time passes while code runs: nothing fires. In milliseconds. */
  elapse(ms: number): void {
    this.#monotonic += ms
    this.#wall += ms
  }

  /**
   * Time passes, and what is due meanwhile fires in order, with all that follows from it. *Resolves when* all of that has settled.
   * `until`: stops as soon as this holds, at the time at which it does.
   */
  async advance(duration: Duration, { until }: { readonly until?: () => boolean } = {}): Promise<void> {
    const end = this.#monotonic + toMs(duration)
    for (;;) {
      await this.settle()
      if (until?.()) return
      const next = this.#next()
      if (!next || next.at > end) break
      this.#timers.delete(next.order)
      if (next.at > this.#monotonic) this.elapse(next.at - this.#monotonic)
      next.callback()
    }
    this.elapse(Math.max(0, end - this.#monotonic))
    await this.settle()
  }

  /** Lets everything happen that waits for nothing but a turn of the event loop. No time passes. */
  async settle(): Promise<void> {
    let seen = this.#uses
    let quiet = 0
    for (let turn = 0; quiet < QUIET_TURNS && turn < MOST_TURNS; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      quiet = this.#uses === seen ? quiet + 1 : 1
      seen = this.#uses
    }
  }

  #next(): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers.values()) {
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
    }
    return next
  }
}
