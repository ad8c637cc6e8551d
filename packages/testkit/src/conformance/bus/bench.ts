import {
  type Bus,
  type BusOptions,
  type Clock,
  createBus,
  defineEvent,
  type EventDefinition,
  type Persistence,
} from '@buslane/core'
import { FaultyStore } from './faulty-store.ts'
import { inStep, PatientClock, type StoreWithClock } from './in-step.ts'
import { ProcessClock } from './process-clock.ts'

/** How the suite gets at a persistence. */
export interface BusHarness {
  /**
   * An empty one for each check: the persistence itself if all its times come from the clock that it is given, else how to set its
   * own. `notify` and the like are best turned off then: the suite tells other workers itself.
   */
  open(options: { readonly clock: Clock; readonly leaseMs: number }): Persistence | Promise<StoreWithClock>
}

type Numbered = EventDefinition<{ readonly n: number }, { readonly n: number }, true>

export const Placed: Numbered = defineEvent<{ readonly n: number }>('bus-check.placed', { durable: true })
export const Once: Numbered = defineEvent<{ readonly n: number }>('bus-check.once', { durable: true, onCrash: 'fail' })

export const Other: Numbered = defineEvent<{ readonly n: number }>('bus-check.other', { durable: true })

/** Carries anything. */
export const Odd: EventDefinition<unknown, unknown, true> = defineEvent<unknown>('bus-check.odd', { durable: true })

/** Not durable. */
export const Fleeting: EventDefinition<{ readonly n: number }> = defineEvent<{ readonly n: number }>(
  'bus-check.fleeting',
)

/** The events that {@link Bench.bus} and a check have in common, and what they have seen. */
export class Bench {
  readonly clock: PatientClock
  readonly persistence: Persistence
  readonly log: string[] = []
  /** Lines that a bus logged as a warning or worse. */
  readonly warned: string[] = []
  readonly #buses: Bus[] = []
  readonly #links: FaultyStore[] = []
  readonly #store: StoreWithClock | undefined

  private constructor(clock: PatientClock, opened: Persistence | StoreWithClock) {
    this.clock = clock
    this.#store = 'setTime' in opened ? opened : undefined
    this.persistence = 'setTime' in opened ? inStep(opened, clock) : opened
  }

  static async open(harness: BusHarness): Promise<Bench> {
    const clock = new PatientClock()
    return new Bench(clock, await harness.open({ clock, leaseMs: 5000 }))
  }

  /** A store of its own to the same data, as another process has it. `hints: false`: it is told of nothing, and has to look. */
  link(options?: { readonly hints?: boolean }): FaultyStore {
    const link = new FaultyStore(this.persistence, options)
    this.#links.push(link)
    return link
  }

  /** The clock of a process whose wall clock is not that of the store. */
  processClock(): ProcessClock {
    return new ProcessClock(this.clock)
  }

  bus(options: Partial<BusOptions> = {}): Bus {
    const warn = (_facts: unknown, text: string): void => void this.warned.push(text)
    const quiet = (): void => undefined
    const logger = { debug: quiet, info: quiet, warn, error: warn }
    const bus = createBus({ clock: this.clock, persistence: this.persistence, logger, ...options })
    this.#buses.push(bus)
    return bus
  }

  async started(options: Partial<BusOptions>, handlers: (bus: Bus) => void): Promise<Bus> {
    const bus = this.bus(options)
    handlers(bus)
    await this.within(bus.start())
    return bus
  }

  /** What a call answers, or throws, once so much time has passed. */
  async within<Answer>(call: Promise<Answer>, ms = 6000): Promise<Answer> {
    let over = false
    const end = (): void => void (over = true)
    call.then(end, end)
    await this.clock.advance(ms, { until: () => over })
    if (!over) throw new Error(`no answer within ${ms} ms`)
    return await call
  }

  async codeOf(call: Promise<unknown>): Promise<unknown> {
    return await this.within(call).then(
      () => 'no error',
      (error: unknown) => (error as { code?: unknown }).code,
    )
  }

  /** The reasons of all dead letters. */
  async reasons(): Promise<readonly string[]> {
    return (await this.persistence.deadLetters!.list()).entries.map(({ reason }) => reason)
  }

  /** How many events are in the store, whatever they do there. */
  async stored(): Promise<number> {
    return (await this.persistence.inspect!.list({ limit: 1000 })).entries.length
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.fault = undefined
    for (const bus of this.#buses) await this.within(bus.stop({ timeoutMs: 0 }), 60_000)
    await this.#store?.close()
  }
}
