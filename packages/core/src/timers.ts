import { type Clock, type ClockTimer, nextTurn } from './clock.ts'
import { Heap } from './heap.ts'

/** Something that is due at a time. Subclass it: a closure per timer would cost more memory than the rest of it. */
export abstract class Timer {
  /** On the monotonic clock, or on the wall clock for a point in time. */
  readonly dueAt: number
  order = 0
  /** Waiting: neither fired nor cancelled. */
  pending = false

  constructor(dueAt: number) {
    this.dueAt = dueAt
  }

  /** `lateMs` is how long ago it was due. */
  abstract fire(lateMs: number): void
}

class Callback extends Timer {
  readonly #callback: () => void

  constructor(dueAt: number, callback: () => void) {
    super(dueAt)
    this.#callback = callback
  }

  fire(): void {
    this.#callback()
  }
}

const MAX_DELAY_MS = 2 ** 31 - 1
/** A stepped wall clock is noticed within this time. */
const WALL_CHECK_MS = 10_000
const SLICE_MS = 10

/** All timers of one bus: two heaps (durations, points in time), and one timer of the clock for the earliest of all. */
export class Timers {
  readonly #clock: Clock
  readonly #durations = new Heap<Timer>(isDueBefore)
  readonly #points = new Heap<Timer>(isDueBefore)
  #timer: ClockTimer
  #wakesAt = Infinity
  #order = 0
  #pending = 0
  /** In the middle of firing, perhaps waiting for a turn of the event loop: it arms itself afterwards. */
  #firing = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `callback` after a duration. */
  after(delayMs: number, callback: () => void): Timer {
    return this.add(new Callback(this.#clock.monotonic() + delayMs, callback))
  }

  /** `wall`: its `dueAt` is a time of the wall clock. */
  add<T extends Timer>(timer: T, wall = false): T {
    timer.order = this.#order++
    timer.pending = true
    this.#pending++
    const heap = wall ? this.#points : this.#durations
    heap.push(timer)
    if (this.#next(heap) === timer) this.#arm()
    return timer
  }

  /** Whether it was still waiting. A cancelled timer stays in its heap until it comes up, or most of them are. */
  cancel(timer: Timer | undefined): boolean {
    if (!timer?.pending) return false
    timer.pending = false
    if (--this.#pending === 0) this.#disarm()
    if (this.#durations.size + this.#points.size > 2 * this.#pending + 64) {
      this.#durations.filter(isPending)
      this.#points.filter(isPending)
    }
    return true
  }

  /** Every timer that waits. */
  *[Symbol.iterator](): Generator<Timer> {
    for (const timer of [...this.#durations, ...this.#points]) if (timer.pending) yield timer
  }

  #arm(): void {
    if (this.#firing || this.#pending === 0) return
    const clock = this.#clock
    const now = clock.monotonic()
    const point = this.#next(this.#points)
    const wakesAt = Math.min(
      this.#next(this.#durations)?.dueAt ?? Infinity,
      point ? now + Math.min(point.dueAt - clock.now(), WALL_CHECK_MS) : Infinity,
    )
    if (this.#timer !== undefined && wakesAt >= this.#wakesAt) return
    this.#disarm()
    this.#wakesAt = wakesAt
    this.#timer = clock.setTimer(this.#wake, Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(wakesAt - now))))
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#wakesAt = Infinity
  }

  readonly #wake = (): void => {
    this.#timer = undefined
    this.#wakesAt = Infinity
    this.#firing = true
    try {
      if (this.#fireDue()) return nextTurn(this.#wake)
    } catch (error) {
      nextTurn(this.#wake) // the others must not suffer for it
      throw error
    }
    this.#firing = false
    this.#arm()
  }

  /** Whether there is more to fire, after a turn of the event loop. */
  #fireDue(): boolean {
    const clock = this.#clock
    const startedAt = clock.monotonic()
    for (;;) {
      const now = clock.monotonic()
      if (now - startedAt >= SLICE_MS) return true
      const duration = this.#next(this.#durations)
      const point = this.#next(this.#points)
      const late = duration ? now - duration.dueAt : -1
      const latePoint = point ? clock.now() - point.dueAt : -1
      if (late < 0 && latePoint < 0) return false
      const timer = (late >= latePoint ? this.#durations : this.#points).pop()!
      timer.pending = false
      this.#pending--
      timer.fire(Math.max(late, latePoint))
    }
  }

  /** The earliest that was not cancelled. */
  #next(heap: Heap<Timer>): Timer | undefined {
    let first: Timer | undefined
    while ((first = heap.peek()) !== undefined && !first.pending) heap.pop()
    return first
  }
}

const isDueBefore = (a: Timer, b: Timer): boolean => (a.dueAt - b.dueAt || a.order - b.order) < 0
const isPending = (timer: Timer): boolean => timer.pending
