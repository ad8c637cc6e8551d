import { describe, expect, it } from 'vitest'
import {
  BackpressureChanged,
  type Bus,
  type BusOptions,
  createBus,
  defineCommand,
  defineEvent,
  EventHandlerFailed,
  type Observer,
  SessionEnded,
  SessionStarted,
} from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { failureOf } from './support/failure.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Job = defineEvent<number>('job')
const Do = defineCommand<number, number>('do')

const NOTICES = [
  'eventAccepted',
  'eventRefused',
  'eventStarted',
  'handlerStarted',
  'attemptFailed',
  'handlerSettled',
  'eventSettled',
  'commandStarted',
  'commandAttemptFailed',
  'commandSettled',
  'sessionStarted',
  'sessionEnded',
  'backpressureChanged',
] as const satisfies readonly (keyof Observer)[]

/** An observer that does the same for every notice. */
const everywhere = (tell: (notice: string, ...facts: unknown[]) => unknown): Observer =>
  Object.fromEntries(NOTICES.map((notice) => [notice, (...facts: unknown[]) => tell(notice, ...facts)]))

const retryOnce: BusOptions['plugins'] = [
  {
    name: 'retry',
    install: (host) =>
      host.onFailure(({ attempts }) => (attempts < 2 ? { action: 'retry', delayMs: 10 } : { action: 'fail' })),
  },
]

/** Makes a bus do one of everything that observers hear of. */
const exercise = async (bus: Bus, clock: VirtualClock): Promise<void> => {
  bus.on(Job, ({ payload }) => (payload === 2 ? Promise.reject(new Error('bad')) : 'ok'), { name: 'worker' })
  bus.handle(Do, ({ payload }) => (payload === 2 ? Promise.reject(new Error('bad')) : payload))
  bus.filter(({ payload }) => payload !== 3)
  await bus.start()
  const session = bus.session('chat')
  await Promise.all([bus.publish(Job(1)), bus.publish(Job(2)), bus.publish(Job(3))])
  await bus.publish(Job(4), { priority: Number.NaN }).catch(() => undefined)
  await bus.execute(Do(1))
  const failed = bus.execute(Do(2))
  await clock.advance(100)
  await failed
  await session.end()
  await bus.idle()
}

const made = (options: BusOptions = {}) => {
  const clock = new VirtualClock()
  const logger = recordingLogger()
  const bus = createBus({ clock, logger, plugins: retryOnce, queue: { capacity: 2 }, ...options })
  return { bus, clock, logger }
}

describe('observers are told', () => {
  it('R-OBS-1 of everything that happens, in the order it happens', async () => {
    const { bus, clock } = made()
    const told: string[] = []
    bus.observe(
      everywhere(
        (notice, first) => void told.push(`${notice} ${String((first as { payload?: unknown }).payload ?? first)}`),
      ),
    )
    await exercise(bus, clock)
    const of = (payload: number): string[] =>
      told.filter((line) => line.startsWith('event') && line.endsWith(` ${payload}`))
    expect(of(1)).toEqual(['eventAccepted 1', 'eventStarted 1', 'eventSettled 1'])
    expect(of(2)).toEqual(['eventAccepted 2', 'eventStarted 2', 'eventSettled 2'])
    expect(of(3)).toEqual(['eventRefused 3'])
    expect(of(4)).toEqual(['eventRefused 4'])
    expect(new Set(told.map((line) => line.split(' ')[0]))).toEqual(new Set(NOTICES))
  })

  it('R-OBS-1 R-ERR-2 of each attempt, with the name of the handler', async () => {
    const { bus, clock } = made()
    const told: unknown[] = []
    bus.observe({
      handlerStarted: ({ payload }, { name, priority, attempt }) =>
        void told.push(['started', payload, name, priority, attempt]),
      attemptFailed: ({ payload }, { name, attempt }, { error, retryInMs }) =>
        void told.push(['failed', payload, name, attempt, (error as Error).message, retryInMs]),
      handlerSettled: ({ payload }, { name, status, attempts }) =>
        void told.push(['settled', payload, name, status, attempts]),
    })
    bus.on(Job, ({ payload }) => (payload === 2 ? Promise.reject(new Error('bad')) : 'ok'), {
      name: 'worker',
      priority: 7,
    })
    await bus.start()
    await bus.publish(Job(1))
    await bus.publish(Job(2))
    await clock.advance(100)
    expect(told).toEqual([
      ['started', 1, 'worker', 7, 1],
      ['settled', 1, 'worker', 'fulfilled', 1],
      ['started', 2, 'worker', 7, 1],
      ['failed', 2, 'worker', 1, 'bad', 10],
      ['failed', 2, 'worker', 2, 'bad', undefined],
      ['settled', 2, 'worker', 'rejected', 2],
    ])
  })

  it('R-OBS-1 of the facts: priority, due time, handlers, waiting time, nesting, duration', async () => {
    const { bus, clock } = made()
    const told: unknown[] = []
    const Inner = defineEvent<number>('inner')
    bus.observe({
      eventAccepted: ({ payload, type }, facts) => void told.push(['accepted', type, payload, facts]),
      eventStarted: ({ payload, type }, facts) => void told.push(['started', type, payload, facts]),
      commandSettled: ({ payload }, { success }, { durationMs }) =>
        void told.push(['command', payload, success, durationMs]),
    })
    bus.on(Job, ({ payload }, context) => (payload === 1 ? context.publishAndWait(Inner(1)) : undefined))
    bus.handle(Do, () => (clock.elapse(25), 1))
    const dueAt = clock.now() + 50
    await bus.publish(Job(1), { priority: 3 })
    await bus.schedule(Job(2), { at: dueAt, priority: 4 })
    clock.elapse(5)
    await bus.start()
    await clock.advance(100)
    await bus.execute(Do(1))
    expect(told).toEqual([
      ['accepted', 'job', 1, { priority: 3 }],
      ['accepted', 'job', 2, { priority: 4, dueAt }],
      ['started', 'job', 1, { handlers: 1, waitedMs: 5, nested: false, stored: false }],
      ['accepted', 'inner', 1, { priority: 50 }],
      ['started', 'inner', 1, { handlers: 0, waitedMs: 0, nested: true, stored: false }],
      ['started', 'job', 2, { handlers: 1, waitedMs: 0, nested: false, stored: false }],
      ['command', 1, true, 25],
    ])
  })

  it.each(['wait', 'rate-limit'] as const)(
    'R-OBS-1 that an event was accepted before they hear that it started (%s)',
    async (strategy) => {
      const { bus, clock } = made({ queue: { capacity: 2, strategy, highWaterMark: 0.5, lowWaterMark: 0 } })
      const told: string[] = []
      bus.observe({
        eventAccepted: ({ payload }) => void told.push(`accepted ${String(payload)}`),
        eventStarted: ({ payload }) => void told.push(`started ${String(payload)}`),
      })
      bus.on(Job, () => undefined)
      await bus.start()
      const publishes = Promise.all([1, 2, 3, 4].map((n) => bus.publish(Job(n))))
      await clock.advance(1000)
      await publishes
      for (const n of [1, 2, 3, 4]) expect(told.indexOf(`accepted ${n}`)).toBeLessThan(told.indexOf(`started ${n}`))
      expect(told).toHaveLength(8)
    },
  )

  it('R-OBS-1 of a publish that waited for room and was refused', async () => {
    const { bus } = made({ queue: { capacity: 1 } })
    const told: unknown[] = []
    bus.observe({
      eventRefused: ({ payload }, { reason, error }) =>
        void told.push([payload, reason, (error as { code: string }).code]),
    })
    bus.on(Job, () => deferred().promise)
    await bus.start()
    void bus.publish(Job(1))
    await settle()
    void bus.publish(Job(2))
    const controller = new AbortController()
    const refused = failureOf(bus.publish(Job(3), { signal: controller.signal }))
    controller.abort()
    expect(await refused).toMatchObject({
      code: 'ABORTED',
    })
    expect(told).toEqual([[3, 'rejected', 'ABORTED']])
  })

  it('R-OBS-1 of every drop, whichever event it hits', async () => {
    const told: unknown[] = []
    for (const strategy of ['drop-newest', 'drop-oldest'] as const) {
      const { bus } = made({ queue: { capacity: 1, strategy } })
      bus.observe({ eventRefused: ({ payload }, { reason }) => void told.push([strategy, payload, reason]) })
      await bus.publish(Job(1))
      await bus.publish(Job(2))
    }
    expect(told).toEqual([
      ['drop-newest', 2, 'dropped'],
      ['drop-oldest', 1, 'dropped'],
    ])
  })
})

describe('observers cannot do harm', () => {
  it('R-OBS-1 an error of one is counted and logged once, and changes nothing', async () => {
    const [plain, observed] = [made(), made()]
    const results: unknown[] = []
    let calls = 0
    observed.bus.observe(
      everywhere(() => {
        calls++
        throw new Error('observer')
      }),
    )
    for (const { bus, clock } of [plain, observed]) {
      await exercise(bus, clock)
      const { offered, settled, filtered, rejected, handlerFailures, commands } = bus.stats()
      results.push({ offered, settled, filtered, rejected, handlerFailures, commands, errors: bus.errors.length })
    }
    expect(results[1]).toEqual(results[0])
    expect(calls).toBeGreaterThan(20)
    expect(observed.bus.stats().observerErrors).toBe(calls)
    expect(observed.logger.lines.filter(({ message }) => message.includes('observer'))).toHaveLength(1)
  })

  it('R-OBS-1 an error of an asynchronous one is counted as well, never an unhandled rejection', async () => {
    const { bus, clock } = made()
    let calls = 0
    bus.observe(
      everywhere(async () => {
        calls++
        throw new Error('observer')
      }),
    )
    await exercise(bus, clock)
    await settle()
    expect(bus.stats().observerErrors).toBe(calls)
  })

  it('R-OBS-1 one that throws hides nothing from the next', async () => {
    const { bus, clock } = made()
    const heard: string[] = []
    bus.observe(
      everywhere(() => {
        throw new Error('first')
      }),
    )
    bus.observe(everywhere((notice) => void heard.push(notice)))
    await exercise(bus, clock)
    expect(new Set(heard)).toEqual(new Set(NOTICES))
  })

  it('R-OBS-1 is told nothing any more once it is disposed of, also by itself', async () => {
    const { bus } = made()
    const heard: unknown[] = []
    const observing = bus.observe({
      eventAccepted: ({ payload }) => {
        heard.push(payload)
        observing[Symbol.dispose]()
      },
    })
    bus.observe({ eventAccepted: ({ payload }) => void heard.push(`other ${String(payload)}`) })
    await bus.publish(Job(1))
    await bus.publish(Job(2))
    expect(heard).toEqual([1, 'other 1', 'other 2'])
  })

  it('keeps its own `this`', async () => {
    const { bus } = made()
    class Counter implements Observer {
      count = 0
      eventAccepted(): void {
        this.count++
      }
    }
    const counter = new Counter()
    bus.observe(counter)
    await bus.publish(Job(1))
    expect(counter.count).toBe(1)
  })

  it('one that was added twice is told twice, and disposing of one leaves the other', async () => {
    const { bus } = made()
    let told = 0
    const observer: Observer = { eventAccepted: () => void told++ }
    const first = bus.observe(observer)
    bus.observe(observer)
    await bus.publish(Job(1))
    first[Symbol.dispose]()
    await bus.publish(Job(2))
    expect(told).toBe(3)
  })

  it('may publish from a notice', async () => {
    const { bus } = made({ queue: {} })
    const heard: unknown[] = []
    bus.on(Job, ({ payload }) => void heard.push(payload))
    bus.observe({ eventSettled: ({ payload }) => void (payload === 1 ? bus.publish(Job(2)) : undefined) })
    await bus.start()
    await bus.publish(Job(1))
    await bus.idle()
    expect(heard).toEqual([1, 2])
  })
})

describe('system events', () => {
  it('R-SYS-1 are ordinary events: priorities, sessions and once work on them', async () => {
    const { bus } = made()
    const heard: string[] = []
    bus.on(SessionStarted, () => void heard.push('low'), { priority: 90 })
    bus.on(SessionStarted, () => void heard.push('high'), { priority: 10, once: true })
    await bus.start()
    bus.session('a')
    bus.session('b')
    await bus.idle()
    expect(heard).toEqual(['high', 'low', 'low'])
  })

  it('R-SYS-1 are built only if somebody listens', async () => {
    const { bus, clock } = made()
    await exercise(bus, clock)
    expect(bus.stats().system).toEqual({ waiting: 0, running: 0, settled: 0 })
  })

  it('R-SYS-1 a session handler of a system event hears those of its session only', async () => {
    const { bus } = made({ plugins: [] })
    const heard: string[] = []
    bus.on(Job, () => {
      throw new Error('x')
    })
    await bus.start()
    const session = bus.session('chat')
    session.on(EventHandlerFailed, ({ payload, sessionId }) => void heard.push(`${payload.eventType} in ${sessionId}`))
    await bus.publish(Job(1))
    await session.publish(Job(2))
    await bus.idle()
    expect(heard).toEqual(['job in chat'])
  })

  it('R-SYS-1 EventHandlerFailed says what failed, where and why', async () => {
    const { bus } = made({ plugins: [] })
    const heard: unknown[] = []
    bus.on(
      EventHandlerFailed,
      ({ payload, causationId, correlationId }) => void heard.push({ ...payload, causationId, correlationId }),
    )
    bus.on(
      Job,
      () => {
        throw new RangeError('too far')
      },
      { name: 'worker', priority: 9 },
    )
    await bus.start()
    const event = Job(1, { correlationId: 'talk' })
    await bus.publish(event)
    await bus.idle()
    expect(heard).toEqual([
      {
        eventId: event.id,
        eventType: 'job',
        handler: 'worker',
        priority: 9,
        attempts: 1,
        error: { name: 'RangeError', message: 'too far', stack: expect.any(String) },
        causationId: event.id,
        correlationId: 'talk',
      },
    ])
    expect(JSON.parse(JSON.stringify(heard))).toEqual(heard)
  })

  it('R-SYS-1 all have types that start with buslane.', () => {
    const types = [SessionStarted, SessionEnded, BackpressureChanged, EventHandlerFailed].map(({ type }) => type)
    expect(types.every((type) => type.startsWith('buslane.'))).toBe(true)
    expect([SessionStarted, SessionEnded].every(({ system }) => system)).toBe(true)
  })
})
