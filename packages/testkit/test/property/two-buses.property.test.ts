import { type Bus, createBus, defineEvent, type EventContext, type EventMessage, type Persistence } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { judge, type JournalLine, type JournalNote } from '@buslane/testkit/crash'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FaultyStore } from '../../src/conformance/bus/faulty-store.ts'
import { retrying } from '../../src/conformance/bus/retrying.ts'
import { VirtualClock } from '../../src/virtual-clock.ts'
import { changeAppended, changed, type Changes } from '../support/delegate.ts'

interface EventPlan {
  readonly at: number
  /** `undefined`: without order. */
  readonly lane: 'a' | 'b' | 'c' | undefined
  readonly priority: number
  readonly ms: number
  /** How often the handler `second` fails before it does not. */
  readonly fails: number
}
type Payload = EventPlan & { readonly index: number }

/** What happens to one of the buses. */
type Trouble = { readonly at: number; readonly bus: 0 | 1 } & (
  | { readonly kind: 'answer-lost' | 'reject'; readonly verb: 'append' | 'claim' | 'report' | 'heartbeat' }
  | { readonly kind: 'stop'; readonly timeoutMs: number; readonly forMs: number }
)

interface Plan {
  readonly events: readonly EventPlan[]
  readonly troubles: readonly Trouble[]
  readonly retryMs: number
}

const HANDLERS = [
  { name: 'first', priority: 10 },
  { name: 'second', priority: 50 },
  { name: 'beside', priority: 50 },
  { name: 'third', priority: 90 },
] as const

const AGEING_MS = 1000
const Happened = defineEvent<Payload>('two-buses.happened', { durable: true })
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const eventPlan = fc.record<EventPlan>({
  at: fc.integer({ min: 0, max: 3000 }),
  lane: fc.constantFrom('a', 'a', 'b', 'c', undefined),
  priority: fc.constantFrom(50, 50, 50, 49, 51, 0, 100),
  ms: fc.integer({ min: 0, max: 300 }),
  fails: fc.constantFrom(0, 0, 0, 1, 2),
})

const bus = fc.constantFrom<0 | 1>(0, 1)
const at = fc.integer({ min: 0, max: 4000 })
const trouble = fc.oneof(
  fc.record({
    at,
    bus,
    kind: fc.constantFrom('answer-lost' as const, 'reject' as const),
    verb: fc.constantFrom('append' as const, 'claim' as const, 'report' as const, 'heartbeat' as const),
  }),
  fc.record({
    at,
    bus,
    kind: fc.constant('stop' as const),
    timeoutMs: fc.constantFrom(0, 100, 5000),
    forMs: fc.integer({ min: 0, max: 3000 }),
  }),
)

const plans = fc.record<Plan>({
  events: fc.array(eventPlan, { minLength: 1, maxLength: 25 }),
  troubles: fc.array(trouble, { maxLength: 4 }),
  retryMs: fc.constantFrom(20, 1500),
})

/** What was found once. */
const EXAMPLES: [Plan][] = [
  // An urgent event, recorded as started ahead of its time in an answer that was lost, went before the one that had begun.
  [
    {
      events: [
        { at: 0, lane: 'a', priority: 50, ms: 3, fails: 2 },
        { at: 1506, lane: 'a', priority: 0, ms: 0, fails: 0 },
      ],
      troubles: [{ at: 0, bus: 0, kind: 'answer-lost', verb: 'append' }],
      retryMs: 1500,
    },
  ],
]

/** Two buses on one store, what they are made to do, and what they did. */
class TwoBuses {
  readonly #clock = new VirtualClock()
  readonly #persistence: Persistence
  readonly #links: readonly [FaultyStore, FaultyStore]
  readonly #buses: readonly [Bus, Bus]
  readonly #plan: Plan
  readonly lines: JournalLine[] = []
  /** Index of each event by id, in the order in which the publishes were called. */
  readonly published = new Map<string, number>()
  readonly accepted = new Set<string>()

  constructor(plan: Plan, changes: Changes = {}) {
    this.#plan = plan
    this.#persistence = changed(memoryPersistence({ clock: this.#clock }), changes)
    this.#links = [new FaultyStore(this.#persistence), new FaultyStore(this.#persistence)]
    this.#buses = [this.#bus(0), this.#bus(1)]
  }

  async run(): Promise<void> {
    const { events, troubles } = this.#plan
    const steps = [
      ...events.map((event, index) => ({ at: event.at, run: () => this.#publish(event, index) })),
      ...troubles.map((one) => ({ at: one.at, run: () => this.#trouble(one) })),
    ].toSorted((a, b) => a.at - b.at)
    for (const one of this.#buses) void one.start()
    for (const { at, run } of steps) {
      await this.#clock.advance(Math.max(0, at - this.#clock.monotonic()))
      run()
    }
    await this.#clock.advance(120_000)
  }

  async left(): Promise<number> {
    const { entries } = await this.#persistence.inspect!.list()
    return entries.length
  }

  async reasons(): Promise<readonly string[]> {
    const page = await this.#persistence.deadLetters!.list()
    return page.entries.map(({ reason }) => reason)
  }

  async close(): Promise<void> {
    const stopped = this.#buses.map((one) => one.stop({ timeoutMs: 0 }))
    await this.#clock.advance(20_000)
    await Promise.all(stopped)
  }

  #bus(number: 0 | 1): Bus {
    const made = createBus({
      clock: this.#clock,
      persistence: this.#links[number].persistence,
      logger: quiet,
      ageingMs: AGEING_MS,
      plugins: [retrying(this.#plan.retryMs, 4)],
      lane: ({ payload }) => (payload as Payload).lane,
    })
    for (const { name, priority } of HANDLERS) {
      made.on(Happened, (event, context) => this.#handle(number, name, priority, event, context), { name, priority })
    }
    return made
  }

  async #handle(
    pid: number,
    handler: string,
    group: number,
    { id, payload: { lane, index, ms, fails } }: EventMessage<Payload>,
    { attempt, signal }: EventContext,
  ): Promise<void> {
    const facts = { event: id, lane: lane ?? `none ${index}`, seq: 0, handler, group, attempt }
    const note = (line: JournalNote): void => void this.lines.push({ ...line, pid })
    note({ at: 'start', ...facts })
    try {
      await this.#work(ms, signal)
      if (handler === 'second' && attempt <= fails) throw new Error('not yet')
      note({ at: 'end', ...facts })
    } catch (error) {
      note({ at: 'fail', final: false, ...facts })
      throw error
    }
  }

  async #work(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#clock.setTimer(resolve, ms)
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    await promise
  }

  /** Events of one lane are published by one bus, in order. */
  #publish(event: EventPlan, index: number): void {
    const message = Happened({ ...event, index })
    this.published.set(message.id, index)
    const publisher = this.#buses[event.lane === 'a' ? 0 : 1]
    publisher.publish(message, { priority: event.priority }).then(
      () => this.accepted.add(message.id),
      () => undefined,
    )
  }

  #trouble(one: Trouble): void {
    if (one.kind === 'stop') void this.#pause(this.#buses[one.bus], one.timeoutMs, one.forMs)
    else this.#links[one.bus].once.set(one.verb, one.kind)
  }

  async #pause(one: Bus, timeoutMs: number, forMs: number): Promise<void> {
    await one.stop({ timeoutMs })
    this.#clock.setTimer(() => void one.start(), forMs)
  }
}

/** Pairs of a lane that began in the wrong order: the first was published before, and its key is not higher. */
function overtaken({ lines, published, accepted }: TwoBuses, { events }: Plan): string[] {
  const begun = [...new Set(lines.flatMap((line) => (line.at === 'start' ? [line.event] : [])))]
  const place = new Map(begun.map((event, index) => [event, index]))
  const key = ({ at, priority }: EventPlan): number => at + (priority - 50) * AGEING_MS
  const inOrder = [...published].filter(([id]) => accepted.has(id))
  return inOrder.flatMap(([first, one], number) =>
    inOrder
      .slice(number + 1)
      .filter(
        ([second, other]) =>
          events[one]!.lane !== undefined &&
          events[one]!.lane === events[other]!.lane &&
          key(events[one]!) <= key(events[other]!) &&
          place.get(first)! > place.get(second)!,
      )
      .map(([, other]) => `event ${other} before event ${one}`),
  )
}

async function tryOut(plan: Plan, changes?: Changes): Promise<void> {
  const two = new TwoBuses(plan, changes)
  await two.run()
  const verdict = judge(two.lines, { events: two.accepted, handlers: HANDLERS, dead: new Set() })
  expect(verdict).toMatchObject({ lost: [], violations: [] })
  expect(overtaken(two, plan)).toEqual([])
  expect([await two.left(), await two.reasons()]).toEqual([0, []])
  await two.close()
}

describe('two buses on one store', { timeout: 120_000 }, () => {
  it('C-39 R-DUR-3 R-LANE-3 R-PRI-3 lose nothing and keep the order of lanes and groups, through retries, stops and lost answers', async () => {
    const property = fc.asyncProperty(plans, (plan) => tryOut(plan))
    await fc.assert(property, { numRuns: Number(process.env['BUSLANE_PROPERTY_RUNS'] ?? 150), examples: EXAMPLES })
  })

  it.each<readonly [string, Changes]>([
    ['forgets lanes', changeAppended((event) => ({ ...event, lane: undefined }))],
    ['turns priorities round', changeAppended((event) => ({ ...event, orderOffsetMs: -(event.orderOffsetMs ?? 0) }))],
    [
      'forgets what is done',
      {
        events: (healthy) => ({
          claim: async (request) => {
            const claimed = await healthy.claim(request)
            return { ...claimed, events: claimed.events.map((event) => ({ ...event, progress: {} })) }
          },
        }),
      },
    ],
  ])('would notice a store that %s', async (_fault, changes) => {
    const property = fc.asyncProperty(plans, (plan) => tryOut(plan, changes))
    await expect(fc.check(property, { numRuns: 150, endOnFailure: true })).resolves.toMatchObject({ failed: true })
  })
})
