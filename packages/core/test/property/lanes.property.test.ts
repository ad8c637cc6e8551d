import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bus, defineEvent, type EventMessage } from '../../src/index.ts'
import { quietBus } from '../support/quiet-bus.ts'
import { retrying } from '../support/retry.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

interface EventPlan {
  readonly at: number
  /** Scheduled this long before it is due, or published. */
  readonly delayMs: number | undefined
  readonly lane: string | undefined
  readonly priority: number
  readonly ms: number
  readonly kind: 'synchronous' | 'asynchronous'
  readonly fails: number
  /** Aborted this long after it was published, whether it waits or runs. */
  readonly abortAfterMs: number | undefined
}
type Payload = EventPlan & { readonly index: number }

interface Plan {
  readonly events: readonly EventPlan[]
  readonly concurrency: number
  readonly ageingMs: number
  readonly startAt: number
}

const Happened = defineEvent<Payload>('happened')

const eventPlan = fc.record<EventPlan>({
  at: fc.integer({ min: 0, max: 50 }),
  delayMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined, freq: 3 }),
  lane: fc.constantFrom('a', 'a', 'b', 'c', 'd', undefined),
  priority: fc.oneof(
    fc.constantFrom(50, 50, 49, 51, 0, 100),
    fc.double({ min: 40, max: 60, noNaN: true }),
    fc.constantFrom(-1e15, 1e15),
  ),
  ms: fc.integer({ min: 0, max: 20 }),
  kind: fc.constantFrom('synchronous', 'asynchronous', 'asynchronous'),
  fails: fc.constantFrom(0, 0, 1, 2),
  abortAfterMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined, freq: 4 }),
})

const plan = fc.record<Plan>({
  events: fc.array(eventPlan, { minLength: 2, maxLength: 25 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  ageingMs: fc.constantFrom(0, 1, 10, 1000, Infinity),
  startAt: fc.constantFrom(0, 0, 25, 100),
})

interface Waiting {
  readonly lane: string
  readonly key: number
  readonly at: number
  readonly order: number
  readonly isScheduled: boolean
}

/** An independent model of what waits and what runs, fed by what is seen from outside. It keeps every breach of a rule. */
class Model {
  readonly breaches: string[] = []
  readonly #ageingMs: number
  readonly #concurrency: number
  readonly #scheduled = new Map<number, { readonly payload: Payload; readonly dueAt: number }>()
  readonly #waiting = new Map<number, Waiting>()
  readonly #running = new Map<number, string>()
  #order = 0

  constructor({ ageingMs, concurrency }: Plan) {
    this.#ageingMs = ageingMs
    this.#concurrency = concurrency
  }

  get left(): number {
    return this.#scheduled.size + this.#waiting.size + this.#running.size
  }

  scheduled(payload: Payload, dueAt: number): void {
    this.#scheduled.set(payload.index, { payload, dueAt })
  }

  due(index: number): void {
    for (const { payload, dueAt } of [this.#scheduled.get(index)].filter((one) => one !== undefined)) {
      this.#scheduled.delete(index)
      this.accepted(payload, dueAt, true)
    }
  }

  accepted({ index, lane, priority }: Payload, at: number, isScheduled = false): void {
    this.#waiting.set(index, {
      // An event without a lane is alone in one of its own.
      lane: lane ?? `no lane, event ${index}`,
      key: this.#ageingMs === Infinity ? priority : at + (priority - 50) * this.#ageingMs,
      at,
      order: this.#order++,
      isScheduled,
    })
  }

  starts({ index }: Payload, now: number): void {
    const dueAt = this.#scheduled.get(index)?.dueAt ?? now
    this.#note(dueAt > now, `event ${index} starts at ${now}, before it is due`)
    // The bus may look at its timers before the test looks at its own, in the same moment.
    this.due(index)
    const own = this.#waiting.get(index)
    this.#note(own === undefined, `event ${index} starts although it does not wait`)
    this.#waiting.delete(index)
    this.#begin(index, own ?? { lane: '', key: 0, at: 0, order: 0, isScheduled: false })
  }

  ends({ index }: Payload): void {
    this.#running.delete(index)
    this.#waiting.delete(index)
  }

  /** At rest nothing that could run may wait. */
  atRest(isOpen: boolean): void {
    const busy = new Set(this.#running.values())
    const idle = [...this.#waiting].filter(([, { lane }]) => !busy.has(lane)).map(([index]) => index)
    const isFree = isOpen && this.#running.size < this.#concurrency
    this.#note(isFree && idle.length > 0, `slots are free and lanes idle, and yet ${idle.join()} wait`)
  }

  #begin(index: number, own: Waiting): void {
    const busy = new Set(this.#running.values())
    this.#note(busy.has(own.lane), `event ${index} starts although its lane ${own.lane} is busy`)
    this.#note(this.#running.size >= this.#concurrency, `event ${index} starts beyond the concurrency`)
    const earlier = [...this.#waiting].filter(([, { key, at, order, isScheduled }]) => {
      // When a scheduled event was accepted, among those of the same moment, is not to be seen from outside.
      const tie = isScheduled || own.isScheduled ? 0 : order - own.order
      return (key - own.key || at - own.at || tie) < 0
    })
    const inLane = earlier.filter(([, { lane }]) => lane === own.lane)
    this.#note(
      inLane.length > 0,
      `event ${index} starts before ${inLane.map(([other]) => other).join()} of its lane, with a lower key`,
    )
    // So many free slots, so many lanes get one: only those behind them start too early.
    const lanes = new Set(earlier.map(([, { lane }]) => lane).filter((lane) => !busy.has(lane)))
    const free = this.#concurrency - this.#running.size
    this.#note(lanes.size >= free, `event ${index} gets one of ${free} slots before lanes ${[...lanes].join()}`)
    this.#running.set(index, own.lane)
  }

  #note(isBreach: boolean, what: string): void {
    this.breaches.push(...(isBreach ? [what] : []))
  }
}

const simulate = async (one: Plan): Promise<{ readonly model: Model; readonly bus: Bus }> => {
  const clock = new VirtualClock()
  const model = new Model(one)
  const { concurrency, ageingMs } = one
  const bus = quietBus({
    clock,
    concurrency,
    ageingMs,
    plugins: [retrying(3, 7)],
    lane: ({ payload }) => (payload as Payload).lane,
  })
  const payloadOf = (event: EventMessage): Payload => event.payload as Payload
  bus.observe({
    eventStarted: (event) => model.starts(payloadOf(event), clock.monotonic()),
    eventSettled: (event) => model.ends(payloadOf(event)),
  })
  bus.on(Happened, ({ payload: { ms, kind, fails } }, { attempt }) => {
    const end = (): unknown => (attempt <= fails ? Promise.reject(new Error('planned')) : 'done')
    return {
      synchronous: () => (clock.elapse(ms), end()),
      asynchronous: () => new Promise((resolve) => void clock.setTimer(() => resolve(undefined), ms)).then(end),
    }[kind]()
  })
  const offer = (payload: Payload): void => {
    const event = Happened(payload)
    const { delayMs, priority, abortAfterMs } = payload
    const controller = new AbortController()
    const publish = (): void => {
      model.accepted(payload, clock.monotonic())
      void bus.publish(event, { priority })
    }
    const publishAndWait = (): void => {
      model.accepted(payload, clock.monotonic())
      // Before its handlers start an event may be ended: then it never waits again.
      void bus.publishAndWait(event, { priority, signal: controller.signal })
      clock.setTimer(() => {
        controller.abort()
        model.ends(payload)
      }, abortAfterMs!)
    }
    const schedule = (): void => {
      model.scheduled(payload, clock.monotonic() + delayMs!)
      // Of what is due in one moment, what comes first is not to be seen; a moment later it must be waiting.
      clock.setTimer(() => model.due(payload.index), delayMs! + 1)
      void bus.schedule(event, { delayMs: delayMs!, priority })
    }
    ;[publish, publishAndWait, schedule][delayMs === undefined ? Number(abortAfterMs !== undefined) : 2]!()
  }
  for (const [index, event] of one.events.entries()) clock.setTimer(() => offer({ ...event, index }), event.at)
  clock.setTimer(() => void bus.start(), one.startAt)
  for (let round = 0; round < 300; round++) {
    await clock.advance(2)
    model.atRest(bus.state === 'running')
  }
  await clock.advance(10_000)
  await settle()
  return { model, bus }
}

describe('lanes under random load', () => {
  it(
    'R-PRI-5 R-LANE-1 always starts the event with the lowest key of all idle lanes, one at a time in each',
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(plan, async (one) => {
          const { model, bus } = await simulate(one)

          expect(model.breaches).toEqual([])
          expect(model.left).toBe(0)
          expect(bus.stats().observerErrors).toBe(0)
          expect(bus.stats()).toMatchObject({
            waiting: 0,
            running: 0,
            offered: one.events.length,
            lanes: { active: 0 },
          })
          // On Node 22 a bus that is not stopped slows down all that come after it.
          await bus.stop()
        }),
        { numRuns: 300 },
      )
    },
  )
})
