import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BUS, defineEvent, type EventContext, type EventMessage, type Registration } from '../../src/index.ts'
import { runningBus } from '../support/quiet-bus.ts'
import { deciding } from '../support/retry.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const Happened = defineEvent<number>('thing.happened')

const MAX_ATTEMPTS = 3
const FIRST = -1e9

/** One handler of a simulation: where it stands, how long it takes, how often it fails, and when it comes and goes. */
interface HandlerPlan {
  readonly priority: number
  readonly scope: 'bus' | 'pattern' | 's0' | 's1'
  readonly kind: 'synchronous' | 'asynchronous'
  readonly ms: number
  readonly fails: number
  readonly addedAt: number
  readonly removedAt: number | undefined
}

interface EventPlan {
  readonly at: number
  readonly session: string
  readonly timeoutMs: number | undefined
}

interface Plan {
  readonly handlers: readonly HandlerPlan[]
  readonly events: readonly EventPlan[]
  readonly concurrency: number
  readonly backOffMs: number
}

/** What happened, in the order in which it happened: the place in the list is the time. */
type Entry =
  | { readonly what: 'over'; readonly running: number; readonly waiting: number }
  | { readonly what: 'added' | 'removed'; readonly handler: number }
  | { readonly what: 'dispatched' | 'cut'; readonly event: number }
  | { readonly what: 'starts' | 'ends'; readonly event: number; readonly handler: number; readonly attempt: number }

const handlerPlan = fc.record<HandlerPlan>({
  priority: fc.oneof(fc.constantFrom(0, 10, 50, 90, 100), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  scope: fc.constantFrom('bus', 'bus', 'pattern', 's0', 's1'),
  kind: fc.constantFrom('synchronous', 'asynchronous'),
  ms: fc.integer({ min: 0, max: 20 }),
  fails: fc.constantFrom(0, 0, 0, 1, 2, 3),
  addedAt: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 100 })),
  removedAt: fc.option(fc.integer({ min: 1, max: 150 }), { nil: undefined }),
})

const plan = fc.record<Plan>({
  handlers: fc.array(handlerPlan, { minLength: 1, maxLength: 10 }),
  events: fc.array(
    fc.record<EventPlan>({
      at: fc.integer({ min: 0, max: 60 }),
      session: fc.constantFrom(BUS, 's0', 's1'),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 120 }), { nil: undefined, freq: 4 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  concurrency: fc.integer({ min: 1, max: 4 }),
  backOffMs: fc.integer({ min: 0, max: 15 }),
})

const simulate = async ({ handlers, events, concurrency, backOffMs }: Plan): Promise<readonly Entry[]> => {
  const clock = new VirtualClock()
  const entries: Entry[] = []
  const bus = await runningBus({
    clock,
    concurrency,
    plugins: [
      deciding(({ attempts }) =>
        attempts < MAX_ATTEMPTS ? { action: 'retry', delayMs: backOffMs } : { action: 'fail' },
      ),
    ],
  })
  const sessions = { s0: bus.session('s0'), s1: bus.session('s1') }
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(resolve, ms))

  const handle = (handler: number, { kind, ms, fails }: HandlerPlan) => {
    const work = function* ({ payload: event }: EventMessage<number>, { attempt, signal }: EventContext) {
      entries.push({ what: 'starts', event, handler, attempt })
      yield ms
      // What ends after its event was cut ends for nobody.
      entries.push(...(signal.aborted ? [] : [{ what: 'ends', event, handler, attempt } as const]))
      return attempt <= fails ? Promise.reject(new Error('planned')) : 'done'
    }
    return {
      synchronous: (event: EventMessage<number>, context: EventContext) => {
        const steps = work(event, context)
        clock.elapse(steps.next().value as number)
        return steps.next().value
      },
      asynchronous: async (event: EventMessage<number>, context: EventContext) => {
        const steps = work(event, context)
        await sleep(steps.next().value as number)
        return steps.next().value
      },
    }[kind]
  }
  const register = (handler: number, plan: HandlerPlan): Registration => {
    const options = { priority: plan.priority }
    const run = handle(handler, plan)
    entries.push({ what: 'added', handler })
    return {
      bus: () => bus.on(Happened, run, options),
      pattern: () => bus.onPattern('thing.*', run as never, options),
      s0: () => sessions.s0.on(Happened, run, options),
      s1: () => sessions.s1.on(Happened, run, options),
    }[plan.scope]()
  }

  bus.on(Happened, ({ payload: event }) => void entries.push({ what: 'dispatched', event }), { priority: FIRST })
  for (const [handler, one] of handlers.entries()) {
    clock.setTimer(() => {
      const registration = register(handler, one)
      const { removedAt, addedAt } = one
      const remove = (): void => {
        entries.push({ what: 'removed', handler })
        registration.remove()
      }
      const timers = removedAt === undefined || removedAt < addedAt ? [] : [removedAt - addedAt]
      for (const ms of timers) clock.setTimer(remove, ms)
    }, one.addedAt)
  }
  for (const [event, { at, session, timeoutMs }] of events.entries()) {
    const publish = async (): Promise<void> => {
      const message = Happened(event, { sessionId: session })
      const { handlers: outcomes } = await bus.publishAndWait(message, { timeoutMs })
      const isCut = outcomes.some(({ status }) => status === 'timed-out')
      entries.push(...(isCut ? [{ what: 'cut', event } as const] : []))
    }
    clock.setTimer(() => void publish(), at)
  }
  // In small steps: handlers that keep the loop busy need turns of it, which no timer of the clock waits for.
  for (let step = 0; step < 100; step++) await clock.advance(20)
  const { running, waiting } = bus.stats()
  const record: readonly Entry[] = [...entries, { what: 'over', running, waiting }]
  // On Node 22 a bus that is not stopped slows down all that come after it.
  await bus.stop()
  return record
}

/** Reads a record: independent of how the bus works, it knows only the rules. */
class Oracle {
  readonly #plan: Plan
  readonly #entries: readonly Entry[]

  constructor(plan: Plan, entries: readonly Entry[]) {
    this.#plan = plan
    this.#entries = entries
  }

  #find(wanted: Partial<Record<string, unknown>>): number {
    return this.#entries.findIndex((entry) =>
      Object.entries(wanted).every(([key, value]) => (entry as Record<string, unknown>)[key] === value),
    )
  }

  startOf(event: number, handler: number): number {
    return this.#find({ what: 'starts', event, handler })
  }

  endOf(event: number, handler: number): number {
    return this.#entries.findLastIndex(
      (entry) => entry.what === 'ends' && entry.event === event && entry.handler === handler,
    )
  }

  attempts(event: number, handler: number): number {
    return this.#entries.filter(
      (entry) => entry.what === 'starts' && entry.event === event && entry.handler === handler,
    ).length
  }

  isCut(event: number): boolean {
    return this.#find({ what: 'cut', event }) >= 0
  }

  get events(): readonly number[] {
    return [...this.#plan.events.keys()]
  }

  get handlers(): readonly number[] {
    return [...this.#plan.handlers.keys()]
  }

  priority(handler: number): number {
    return this.#plan.handlers[handler]!.priority
  }

  started(event: number): readonly number[] {
    return this.handlers.filter((handler) => this.startOf(event, handler) >= 0)
  }

  /** Pairs of handlers of which the second started before all runs of the first, of an earlier group, had ended. */
  get violations(): readonly string[] {
    return this.events.flatMap((event) =>
      this.started(event).flatMap((early) =>
        this.started(event)
          .filter((late) => this.priority(early) < this.priority(late))
          .filter((late) => {
            const runs = this.#entries
              .slice(0, this.startOf(event, late))
              .filter((entry) => 'attempt' in entry && entry.event === event && entry.handler === early)
            const starts = runs.filter(({ what }) => what === 'starts').length
            const open = starts !== runs.length - starts || starts !== this.attempts(event, early)
            return open
          })
          .map((late) => `event ${event}: handler ${late} starts before handler ${early} has ended`),
      ),
    )
  }

  /** Handlers of one group that did not start in the order of their registration. */
  get unordered(): readonly string[] {
    const addedAt = (handler: number): number => this.#find({ what: 'added', handler })
    return this.events.flatMap((event) => {
      const byStart = this.started(event).toSorted((a, b) => this.startOf(event, a) - this.startOf(event, b))
      return byStart.flatMap((first, index) =>
        byStart
          .slice(index + 1)
          .filter((second) => this.priority(first) === this.priority(second) && addedAt(first) > addedAt(second))
          .map((second) => `event ${event}: handler ${first} starts before ${second}`),
      )
    })
  }

  /** Handlers that ran though they should not have, or the other way round. */
  get wrongSet(): readonly string[] {
    return this.events
      .filter((event) => !this.isCut(event))
      .flatMap((event) =>
        this.handlers
          .map((handler) => ({
            handler,
            wanted: this.#shouldRun(event, handler),
            ran: this.startOf(event, handler) >= 0,
          }))
          .filter(({ wanted, ran }) => wanted !== 'either' && wanted !== ran)
          .map(({ handler, ran }) => `event ${event}: handler ${handler} ${ran ? 'ran' : 'did not run'}`),
      )
  }

  #shouldRun(event: number, handler: number): boolean | 'either' {
    const { scope } = this.#plan.handlers[handler]!
    const { session } = this.#plan.events[event]!
    const dispatched = this.#find({ what: 'dispatched', event })
    const added = this.#find({ what: 'added', handler })
    const removedAt = this.#find({ what: 'removed', handler })
    const removed = removedAt < 0 ? Infinity : removedAt
    const concerned = scope === 'bus' || scope === 'pattern' || scope === session
    if (!concerned || added < 0 || added > dispatched || removed < dispatched) return false
    const earlierEnds = this.started(event)
      .filter((other) => this.priority(other) < this.priority(handler))
      .map((other) => this.endOf(event, other))
    if (removed < Math.max(dispatched, ...earlierEnds)) return false
    const start = this.startOf(event, handler)
    return start >= 0 && removed < start ? 'either' : removed === Infinity || start >= 0 ? true : 'either'
  }

  /** Handlers that did not run as often as their failures asked for. */
  get wrongAttempts(): readonly string[] {
    return this.events
      .filter((event) => !this.isCut(event))
      .flatMap((event) =>
        this.started(event)
          .filter((handler) => {
            const planned = Math.min(this.#plan.handlers[handler]!.fails + 1, MAX_ATTEMPTS)
            return this.attempts(event, handler) !== planned
          })
          .map((handler) => `event ${event}: handler ${handler} ran ${this.attempts(event, handler)} times`),
      )
  }

  /** Handlers that started after their event had been cut. */
  get late(): readonly string[] {
    return this.events
      .filter((event) => this.isCut(event))
      .flatMap((event) => {
        const cut = this.#find({ what: 'cut', event })
        return this.#entries
          .slice(cut)
          .filter((entry) => entry.what === 'starts' && entry.event === event)
          .map(() => `event ${event}: a handler starts after the cut`)
      })
  }

  /** Events of one session that were at work at the same time. */
  get overlaps(): readonly string[] {
    const lanes = Object.groupBy(this.events, (event) => this.#plan.events[event]!.session)
    return Object.values(lanes).flatMap((events) => {
      const order = this.#entries.flatMap((entry) => ('event' in entry && entry.what !== 'cut' ? [entry.event] : []))
      const ofLane = order.filter((event) => events!.includes(event))
      const runs = ofLane.filter((event, index) => event !== ofLane[index - 1])
      return runs.length === new Set(runs).size ? [] : [`the events of a lane interleave: ${runs.join(' ')}`]
    })
  }
}

describe('strict groups under random load', () => {
  const check = (read: (oracle: Oracle, plan: Plan, entries: readonly Entry[]) => void): Promise<void> =>
    fc.assert(
      fc.asyncProperty(plan, async (one) => {
        const entries = await simulate(one)
        expect(entries.at(-1)).toEqual({ what: 'over', running: 0, waiting: 0 })
        read(new Oracle(one, entries), one, entries)
      }),
      { numRuns: 150 },
    )

  it('R-PRI-2 starts no handler before all of the earlier groups of its event have ended', { timeout: 60_000 }, () =>
    check((oracle) => expect(oracle.violations).toEqual([])),
  )

  it('R-PRI-2 starts the handlers of a group in registration order', { timeout: 60_000 }, () =>
    check((oracle) => expect(oracle.unordered).toEqual([])),
  )

  it(
    'R-PRI-3 runs exactly those that are registered when the dispatch starts, less those removed before their group',
    { timeout: 60_000 },
    () => check((oracle) => expect(oracle.wrongSet).toEqual([])),
  )

  it(
    'R-PRI-3 runs each handler as often as its failures ask for, and dispatches every event',
    { timeout: 60_000 },
    () =>
      check((oracle, { events }, entries) => {
        expect(oracle.wrongAttempts).toEqual([])
        const dispatched = entries.filter(({ what }) => what === 'dispatched').length
        const cut = oracle.events.filter((event) => oracle.isCut(event)).length
        expect(dispatched).toBeLessThanOrEqual(events.length)
        expect(dispatched).toBeGreaterThanOrEqual(events.length - cut)
      }),
  )

  it('R-PRI-3 starts nothing of an event that was timed out', { timeout: 60_000 }, () =>
    check((oracle) => expect(oracle.late).toEqual([])),
  )

  it('R-LANE-1 keeps the events of one session apart', { timeout: 60_000 }, () =>
    check((oracle) => expect(oracle.overlaps).toEqual([])),
  )
})
