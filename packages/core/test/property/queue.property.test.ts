import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BackpressureChanged,
  type Bus,
  type BusOptions,
  createBus,
  defineCommand,
  defineEvent,
  EventHandlerFailed,
  type HandlerContext,
  type QueueStrategy,
  SessionEnded,
} from '../../src/index.ts'
import { imbalance, watchAccounting } from '../support/accounting.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { later, anything } from '../support/schemas.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

/** What the handler of an event does. */
interface Job {
  readonly id: number
  readonly kind: 'sync' | 'async' | 'slow' | 'throws' | 'publishes' | 'nests' | 'schedules' | 'executes' | 'ignores'
}

const Work = defineEvent<Job>('work')
const Checked = defineEvent('checked', { schema: later(anything<Job>()) })
const Noise = defineEvent<number>('noise')
const Do = defineCommand<Job, void>('do')

/** Without a size, fast-check makes arrays of ten at most: too short for a queue to fill and drain. */
const LONG = { minLength: 1, maxLength: 120, size: 'max' } as const

const STRATEGIES: readonly QueueStrategy[] = ['wait', 'reject', 'drop-newest', 'drop-oldest', 'rate-limit']
const SESSIONS = ['BUS', 'a', 'b', 'c']

const kind = fc.constantFrom<Job['kind'][]>(
  'sync',
  'async',
  'slow',
  'throws',
  'publishes',
  'nests',
  'schedules',
  'executes',
  'ignores',
)
const job = fc.record({ kind, session: fc.nat(3), priority: fc.constantFrom(0, 50, 100) })

const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ does: fc.constant('publish' as const), job, signal: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('publishChecked' as const), job, signal: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('wait' as const), job, timeoutMs: fc.constantFrom(1, 5, undefined) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('schedule' as const), job, delayMs: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('execute' as const), job }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('bad' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('noise' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('abort' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('endSession' as const),
      session: fc.integer({ min: 1, max: 3 }),
      abort: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('stop' as const), timeoutMs: fc.constantFrom(0, 3, 1000) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('start' as const) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('turn' as const) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('advance' as const), ms: fc.nat(10) }) },
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never
type Of<Name extends Action['does']> = Extract<Action, { does: Name }>
type Given = Of<'publish'>['job']

/** A bus, and everything that can be done to it; the count is checked at each step, in every handler and observer. */
class World {
  readonly clock = new VirtualClock()
  readonly bus: Bus
  readonly check: (at: string) => void
  readonly off: string[]
  readonly looks: () => number
  readonly controllers: AbortController[] = []
  /** Everything that was begun; it must all come to an end. */
  readonly open: Promise<unknown>[] = []
  #id = 0

  constructor(options: BusOptions) {
    const { clock } = this
    this.bus = createBus({ clock, logger: recordingLogger(), ...options })
    const { check, off, looks } = watchAccounting(this.bus)
    this.check = check
    this.off = off
    this.looks = looks
    this.bus.filter(({ type }) => type !== Noise.type)
    this.bus.on(Work, ({ payload }, context) => this.#handle(payload, context))
    this.bus.on(Checked, ({ payload }, context) => this.#handle(payload, context))
    this.bus.on(Work, () => this.check('second handler'), { priority: 90 })
    this.bus.handle(Do, ({ payload }, context) => this.#handle(payload, context) as Promise<void>)
    this.bus.on(EventHandlerFailed, () => this.check('EventHandlerFailed'))
    this.bus.on(SessionEnded, () => this.check('SessionEnded'))
    this.bus.on(BackpressureChanged, () => this.check('BackpressureChanged'))
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(resolve, ms))
  }

  #handle({ id, kind: what }: Job, context: HandlerContext): unknown {
    this.check(`handler ${what}`)
    const child = (sort: Job['kind']): Job => ({ id: id + 10_000, kind: sort })
    const quietly = (promise: Promise<unknown>): Promise<unknown> =>
      promise.catch(() => this.check('refused in handler'))
    const behaviours: Record<Job['kind'], () => unknown> = {
      sync: () => 'done',
      async: () => Promise.resolve().then(() => this.check('async handler')),
      slow: () => this.#sleep(4).then(() => this.check('slow handler')),
      ignores: () => this.#sleep(50),
      throws: () => {
        throw new Error('on purpose')
      },
      publishes: async () => {
        await quietly(context.publish(Work(child('sync'))))
        await quietly(this.bus.publish(Work(child('async'))))
      },
      nests: async () => {
        await quietly(context.publishAndWait(Work(child('slow')), { timeoutMs: 100 }))
        await quietly(context.publishAndWait(Work(child('publishes'))))
      },
      schedules: () => quietly(context.schedule(Work(child('sync')), { delayMs: 3 })),
      executes: () => context.execute(Do(child('async'))),
    }
    return behaviours[what]()
  }

  #track(promise: Promise<unknown>, at: string): void {
    this.open.push(
      promise.then(
        () => this.check(`${at} resolved`),
        () => this.check(`${at} rejected`),
      ),
    )
  }

  #message({ kind: what, session }: Given): { payload: Job; options: { sessionId: string } } {
    const sessionId = SESSIONS[session]!
    // A session is opened by whoever uses it first; a stopped bus opens none.
    const opens = session > 0 && !this.bus.getSession(sessionId) && !/stop/.test(this.bus.state)
    void (opens && this.bus.session(sessionId))
    return { payload: { id: this.#id++, kind: what }, options: { sessionId } }
  }

  #signal(wanted: boolean): AbortSignal | undefined {
    const controller = new AbortController()
    this.controllers.push(...(wanted ? [controller] : []))
    return wanted ? controller.signal : undefined
  }

  readonly run: { readonly [Name in Action['does']]: (step: Of<Name>) => unknown } = {
    publish: ({ job: given, signal }) => {
      const { payload, options } = this.#message(given)
      this.#track(
        this.bus.publish(Work(payload, options), { priority: given.priority, signal: this.#signal(signal) }),
        'publish',
      )
    },
    publishChecked: ({ job: given, signal }) => {
      const { payload, options } = this.#message(given)
      this.#track(this.bus.publish(Checked(payload, options), { signal: this.#signal(signal) }), 'publishChecked')
    },
    wait: ({ job: given, timeoutMs }) => {
      const { payload, options } = this.#message(given)
      this.#track(this.bus.publishAndWait(Work(payload, options), { timeoutMs, signal: this.#signal(true) }), 'wait')
    },
    schedule: ({ job: given, delayMs }) => {
      const { payload, options } = this.#message(given)
      this.#track(this.bus.schedule(Work(payload, options), { delayMs }), 'schedule')
    },
    execute: ({ job: given }) => {
      const { payload, options } = this.#message(given)
      this.#track(this.bus.execute(Do(payload, options)), 'execute')
    },
    bad: () => this.#track(this.bus.publish(Work({ id: 0, kind: 'sync' }), { priority: Number.NaN }), 'bad'),
    noise: () => this.#track(this.bus.publish(Noise(1)), 'noise'),
    abort: () => this.controllers.shift()?.abort(),
    endSession: ({ session, abort }) => {
      this.#track(this.bus.getSession(SESSIONS[session]!)?.end({ abort }) ?? Promise.resolve(), 'endSession')
    },
    stop: ({ timeoutMs }) => this.#track(this.bus.stop({ timeoutMs }), 'stop'),
    start: () => this.#track(this.bus.start(), 'start'),
    turn: () => settle(),
    advance: ({ ms }) => this.clock.advance(ms),
  }
}

const queue = (strategy: QueueStrategy) =>
  fc.record({
    capacity: fc.constantFrom(1, 2, 3, 8),
    strategy: fc.constant(strategy),
    highWaterMark: fc.constantFrom(0.5, 0.8, 1),
    lowWaterMark: fc.constantFrom(0, 0.5),
  })

describe('R-Q-2', () => {
  it.each(STRATEGIES)(
    'C-80 R-Q-2 offered is the sum of what became of it at every moment: %s',
    async (strategy) => {
      const options = fc.record({ queue: queue(strategy), concurrency: fc.constantFrom(1, 2, 100) })
      const property = fc.asyncProperty(
        options,
        fc.array(action, LONG),
        fc.boolean(),
        async (given, actions, startsFirst) => {
          const world = new World(given)
          const { bus, clock, check, off } = world
          await (startsFirst ? bus.start() : undefined)
          for (const step of actions) {
            await (world.run[step.does] as (step: Action) => unknown)(step)
            check(`after ${step.does}`)
            expect(off).toEqual([])
          }
          // Everything ends: whoever waited is answered, and nothing is left but what was reported.
          const stop = bus.stop({ timeoutMs: 200 })
          await clock.advance(5000)
          await stop
          await Promise.all(world.open)
          await clock.advance(5000)
          check('at the end')
          expect(off).toEqual([])
          const { waiting, running, blocked, scheduled, sessions, queueSize, commands, system } = bus.stats()
          expect({
            waiting,
            running,
            blocked,
            scheduled,
            sessions,
            queueSize,
            commanding: commands.running,
            system,
          }).toMatchObject({
            waiting: 0,
            running: 0,
            blocked: 0,
            scheduled: 0,
            sessions: 0,
            queueSize: 0,
            commanding: 0,
            system: { waiting: 0, running: 0 },
          })
          expect(clock.pendingTimers).toBe(0)
          expect(world.looks()).toBeGreaterThan(actions.length)
        },
      )
      await fc.assert(property, { numRuns: 100 })
    },
    120_000,
  )

  it('R-Q-2 R-STOP-1 what stop reports is what the counts say', async () => {
    const options = fc.record({ queue: queue('wait'), concurrency: fc.constantFrom(1, 2, 100) })
    await fc.assert(
      fc.asyncProperty(
        options,
        fc.array(fc.record({ job, ms: fc.nat(3) }), LONG),
        fc.boolean(),
        async (given, jobs, starts) => {
          const world = new World(given)
          const { bus, clock } = world
          await (starts ? bus.start() : undefined)
          for (const { job: one, ms } of jobs) {
            world.run.publish({ does: 'publish', job: one, signal: false })
            await clock.advance(ms)
          }
          const before = bus.stats()
          const stop = bus.stop({ timeoutMs: 2 })
          await clock.advance(5000)
          const { finished, left } = await stop
          const after = bus.stats()
          const of = (reason: string): number => left.filter((one) => one.reason === reason).length
          expect(finished).toBeGreaterThanOrEqual(0)
          expect(after.settled - before.settled).toBe(finished + of('aborted'))
          expect(after.leftAtStop - before.leftAtStop).toBe(of('waiting'))
          expect(imbalance(after)).toBe(0)
        },
      ),
      { numRuns: 100 },
    )
  })
})
