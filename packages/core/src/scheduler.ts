import type { Clock } from './clock.ts'
import type { AnyDefinition, EventMessage } from './message.ts'
import type { Delivery } from './delivery.ts'
import { invalid, shown } from './errors.ts'
import type { SessionState } from './session.ts'
import { Timer, type Timers } from './timers.ts'

/** What `schedule` resolves with. */
export interface ScheduledEvent {
  /** The event's id; of a duplicate, that of the event that used the idempotency key first. */
  readonly id: string
  /** `filtered` by a filter or a publish middleware; `duplicate` by its key: nothing was scheduled. */
  readonly status: 'accepted' | 'filtered' | 'duplicate'
  readonly durability: 'memory' | 'stored'
  /**
   * When it is due, in epoch milliseconds by the wall clock at the time of scheduling. `undefined` of a duplicate: the first event
   * has a time of its own, which `persistence.inspect` tells.
   */
  readonly dueAt: number | undefined
  /**
   * `cancelled`: the event never runs, also if it was cancelled before. `too-late`: it was due already. Never both.
   *
   * @throws {BusError} `INVALID_ARGUMENT` of a duplicate: only whoever scheduled the first event, or an operator, may take it back.
   */
  cancel(): Promise<'cancelled' | 'too-late'>
}

/** An event that waits in memory for its time. There may be a million: it keeps only what a delivery is made of. */
export class Scheduled extends Timer {
  readonly message: EventMessage
  readonly definition: AnyDefinition
  readonly input: EventMessage | undefined
  readonly priority: number
  readonly laneKey: string | undefined
  readonly session: SessionState | undefined
  fired = false
  readonly #scheduler: Scheduler

  constructor(
    dueAt: number,
    { message, definition, input, priority, laneKey, session }: Delivery,
    scheduler: Scheduler,
  ) {
    super(dueAt)
    this.message = message
    this.definition = definition
    this.input = input
    this.priority = priority
    this.laneKey = laneKey
    this.session = session
    this.#scheduler = scheduler
  }

  fire(lateMs: number): void {
    this.fired = true
    this.#scheduler.due(this, lateMs)
  }
}

/** Events that are due later, in memory. They are never dropped, and do not count as waiting before they are due. */
export class Scheduler {
  /** How many wait for their time. */
  size = 0
  readonly #timers: Timers
  readonly #admit: (scheduled: Scheduled, lateMs: number) => void

  constructor(timers: Timers, admit: (scheduled: Scheduled, lateMs: number) => void) {
    this.#timers = timers
    this.#admit = admit
  }

  schedule(delivery: Delivery, when: When): Scheduled {
    const scheduled = this.#timers.add(new Scheduled(when.timerAt, delivery, this), when.wall)
    this.size++
    delivery.session?.schedules.add(scheduled)
    return scheduled
  }

  due(scheduled: Scheduled, lateMs: number): void {
    this.#forget(scheduled)
    this.#admit(scheduled, lateMs)
  }

  cancelled(scheduled: Scheduled): 'cancelled' | 'too-late' {
    this.cancel(scheduled)
    return scheduled.fired ? 'too-late' : 'cancelled'
  }

  cancel(scheduled: Scheduled): boolean {
    const cancelled = this.#timers.cancel(scheduled)
    if (cancelled) this.#forget(scheduled)
    return cancelled
  }

  /** Takes everything away, and gives what there was. */
  clear(): readonly Scheduled[] {
    const all = [...this.#timers].filter((timer) => timer instanceof Scheduled)
    for (const scheduled of all) this.cancel(scheduled)
    return all
  }

  #forget(scheduled: Scheduled): void {
    this.size--
    scheduled.session?.schedules.delete(scheduled)
  }
}

/** When something is due: for people, and for the timers. */
export interface When {
  readonly dueAt: number
  readonly timerAt: number
  readonly wall: boolean
}

/** @throws {BusError} `INVALID_ARGUMENT` */
export const readWhen = (
  { at, delayMs }: { readonly at?: unknown; readonly delayMs?: unknown },
  clock: Clock,
): When => {
  if ((at === undefined) === (delayMs === undefined)) {
    throw invalid('schedule() needs { at } or { delayMs }, one of the two')
  }
  if (delayMs !== undefined) {
    if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs < Infinity)) {
      throw invalid(`delayMs must be a number of milliseconds from 0, not ${shown(delayMs)}`)
    }
    return { dueAt: clock.now() + delayMs, timerAt: clock.monotonic() + delayMs, wall: false }
  }
  const time = at instanceof Date ? at.getTime() : at
  if (typeof time !== 'number' || !Number.isFinite(time)) {
    throw invalid(`at must be a valid Date or epoch milliseconds, not ${shown(at)}`)
  }
  return { dueAt: time, timerAt: Math.max(time, clock.now()), wall: true }
}
