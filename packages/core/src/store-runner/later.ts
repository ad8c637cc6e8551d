import type { Delivery } from '../delivery.ts'
import type { Appended, NewEvent } from '../persistence.ts'
import type { Scheduled, When } from '../scheduler.ts'
import type { StoreHost } from '../store-host.ts'
import { noop } from '../thenable.ts'

/** Where a schedule is that could not be stored when it was made. */
type Place =
  | { readonly is: 'memory'; readonly scheduled: Scheduled }
  | { readonly is: 'storing'; readonly answer: Promise<Appended> }
  | { readonly is: 'stored'; readonly cancel: () => Promise<'cancelled' | 'too-late'> }
  | { readonly is: 'cancelled' }

/** Schedules that wait in memory because the store was away, and are stored when it is back (R-SCH-4). */
export class Later {
  readonly #bus: StoreHost
  readonly #waiting = new Set<LaterEvent>()

  constructor(bus: StoreHost) {
    this.#bus = bus
  }

  get size(): number {
    this.#prune()
    return this.#waiting.size
  }

  add(
    delivery: Delivery,
    when: When,
    event: NewEvent,
    cancelOf: (key: string) => () => Promise<'cancelled' | 'too-late'>,
  ): LaterEvent {
    const later = new LaterEvent(this.#bus, delivery, when, event, cancelOf)
    this.#waiting.add(later)
    return later
  }

  async storeAll(append: (event: NewEvent) => Promise<Appended>): Promise<void> {
    this.#prune()
    const all = [...this.#waiting]
    const stored = await Promise.allSettled(all.map((later) => later.store(append)))
    for (const [index, { status }] of stored.entries()) if (status === 'fulfilled') this.#waiting.delete(all[index]!)
  }

  #prune(): void {
    for (const later of this.#waiting) if (!later.inMemory) this.#waiting.delete(later)
  }
}

class LaterEvent {
  readonly #bus: StoreHost
  readonly #delivery: Delivery
  readonly #when: When
  readonly #event: NewEvent
  readonly #cancelOf: (key: string) => () => Promise<'cancelled' | 'too-late'>
  #place: Place

  constructor(
    bus: StoreHost,
    delivery: Delivery,
    when: When,
    event: NewEvent,
    cancelOf: (key: string) => () => Promise<'cancelled' | 'too-late'>,
  ) {
    this.#bus = bus
    this.#delivery = delivery
    this.#when = when
    this.#event = event
    this.#cancelOf = cancelOf
    this.#place = { is: 'memory', scheduled: bus.schedule(delivery, when) }
  }

  /** Whether it has yet to be stored, and is not due or cancelled. */
  get inMemory(): boolean {
    const place = this.#place
    return place.is === 'storing' || (place.is === 'memory' && place.scheduled.pending)
  }

  async store(append: (event: NewEvent) => Promise<Appended>): Promise<void> {
    const place = this.#place
    if (place.is !== 'memory' || !this.#bus.unschedule(place.scheduled)) return
    const { timerAt, wall, dueAt } = this.#when
    const due = wall ? { at: dueAt } : { delayMs: Math.max(0, timerAt - this.#bus.clock.monotonic()) }
    const answer = append({ ...this.#event, due })
    this.#place = { is: 'storing', answer }
    try {
      const appended = await answer
      if (appended.status !== 'stored') return
      this.#place = { is: 'stored', cancel: this.#cancelOf(appended.key) }
      // From now on the session's own timers do not know of it.
      const { session } = this.#delivery
      session?.storedSchedules.add(() => this.cancel(), dueAt, this.#bus.clock.now())
    } catch (error) {
      // It may have been stored all the same; late and twice is better than never.
      this.#place = { is: 'memory', scheduled: this.#bus.schedule(this.#delivery, this.#when) }
      throw error
    }
  }

  async cancel(): Promise<'cancelled' | 'too-late'> {
    for (;;) {
      const place = this.#place
      if (place.is === 'cancelled') return 'cancelled'
      if (place.is === 'stored') return place.cancel()
      if (place.is === 'storing') {
        await place.answer.catch(noop)
        await Promise.resolve() // until `store` has noted the answer
        continue
      }
      if (!this.#bus.unschedule(place.scheduled)) return 'too-late'
      this.#place = { is: 'cancelled' }
    }
  }
}
