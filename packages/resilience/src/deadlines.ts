import type { Clock, ClockTimer } from '@buslane/core'

/** Something that must have happened within a time. Subclass it: it is its own entry in a list. */
export abstract class Deadline {
  dueAt = 0
  list: DeadlineList | undefined = undefined
  previous: Deadline | undefined = undefined
  next: Deadline | undefined = undefined

  abstract expire(): void
}

interface DeadlineList {
  first: Deadline | undefined
  last: Deadline | undefined
}

/** While calls are at work, the timer is looked at so often: it stays armed for at most so long after the last has ended. */
const TICK_MS = 1000

/**
 * Deadlines of any number of calls by one timer. Those with the same limit fall due in the order in which they began, so each limit has a
 * list, to which a call is added at the end and from which it is taken out, both at once; nothing is sorted.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #lists = new Map<number, DeadlineList>()
  #timer: ClockTimer
  #armed = false
  #wakesAt = Infinity
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(deadline: Deadline, afterMs: number): void {
    let list = this.#lists.get(afterMs)
    if (list === undefined) this.#lists.set(afterMs, (list = { first: undefined, last: undefined }))
    const now = this.#clock.monotonic()
    const dueAt = now + afterMs
    const { last } = list
    deadline.dueAt = dueAt
    deadline.list = list
    deadline.previous = last
    deadline.next = undefined
    if (last === undefined) list.first = deadline
    else last.next = deadline
    list.last = deadline
    // In the middle of a list nothing is due earlier than before.
    if (last === undefined && (!this.#armed || dueAt < this.#wakesAt)) this.#arm(now)
  }

  /** Harmless if it is not there. */
  remove(deadline: Deadline): void {
    const { list, previous, next } = deadline
    if (list === undefined) return
    if (previous === undefined) list.first = next
    else previous.next = next
    if (next === undefined) list.last = previous
    else next.previous = previous
    deadline.list = deadline.previous = deadline.next = undefined
  }

  /** Nothing falls due any more, until it is opened again. */
  close(): void {
    this.#closed = true
    this.#disarm()
    this.#lists.clear()
  }

  open(): void {
    this.#closed = false
  }

  #arm(now: number): void {
    if (this.#closed) return
    let earliest = Infinity
    for (const { first } of this.#lists.values()) if (first && first.dueAt < earliest) earliest = first.dueAt
    this.#disarm()
    if (earliest === Infinity) return
    this.#wakesAt = Math.min(earliest, now + TICK_MS)
    this.#armed = true
    this.#timer = this.#clock.setTimer(this.#wake, Math.max(0, Math.ceil(this.#wakesAt - now)))
  }

  #disarm(): void {
    if (this.#armed) this.#clock.clearTimer(this.#timer)
    this.#armed = false
  }

  readonly #wake = (): void => {
    this.#armed = false
    for (const [afterMs, list] of this.#lists) {
      for (let { first } = list; first && first.dueAt <= this.#clock.monotonic(); { first } = list) {
        this.remove(first)
        first.expire()
      }
      // Limits that nobody uses any more must not add up.
      if (list.first === undefined) this.#lists.delete(afterMs)
    }
    this.#arm(this.#clock.monotonic())
  }
}
