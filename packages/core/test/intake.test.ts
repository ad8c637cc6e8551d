import { describe, expect, it } from 'vitest'
import {
  BackpressureChanged,
  type Bus,
  type BusOptions,
  createBus,
  defineEvent,
  type QueueOptions,
  SessionEnded,
  typeFilter,
} from '../src/index.ts'
import { imbalance, watchAccounting } from './support/accounting.ts'
import { deferred } from './support/deferred.ts'
import { failureOf } from './support/failure.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { anything, later } from './support/schemas.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Plug = defineEvent('plug')
const Tick = defineEvent<number>('tick')

interface Plugged {
  readonly bus: Bus
  readonly clock: VirtualClock
  readonly gate: PromiseWithResolvers<void>
  readonly handled: number[]
}

/** A running bus whose lane is held by one handler, so that whatever is published waits. */
const plugged = async (queue: QueueOptions, options: BusOptions = {}): Promise<Plugged> => {
  const gate = deferred()
  const clock = new VirtualClock()
  const handled: number[] = []
  const bus = createBus({ clock, queue, logger: recordingLogger(), ...options })
  bus.on(Plug, () => gate.promise)
  bus.on(Tick, ({ payload }) => void handled.push(payload))
  await bus.start()
  void bus.publish(Plug())
  await settle()
  return { bus, clock, gate, handled }
}

const statusOf = (promise: Promise<{ status: string }>): { now: string } => {
  const state = { now: 'pending' }
  promise.then(
    ({ status }) => (state.now = status),
    (error: { code: string }) => (state.now = error.code),
  )
  return state
}

describe('strategy wait', () => {
  it('R-Q-1 is the default, with a capacity of 10,000', async () => {
    const { bus } = await plugged({})
    for (let n = 0; n < 10_000; n++) void bus.publish(Tick(n))
    const last = statusOf(bus.publish(Tick(10_000)))
    await settle()
    expect(last.now).toBe('pending')
    expect(bus.stats()).toMatchObject({ capacity: 10_000, waiting: 10_000, blocked: 1 })
  })

  it('C-82 R-Q-1 releases publishers in the order they came', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 1 })
    const released: number[] = []
    const publishes = [1, 2, 3, 4, 5].map((n) => bus.publish(Tick(n)).then(() => released.push(n)))
    await settle()
    expect(released).toEqual([1])
    expect(bus.stats().blocked).toBe(4)
    gate.resolve()
    await Promise.all(publishes)
    await bus.idle()
    expect(released).toEqual([1, 2, 3, 4, 5])
    expect(handled).toEqual([1, 2, 3, 4, 5])
  })

  it('R-Q-1 releases one publisher for each event that begins', async () => {
    const gates = [deferred(), deferred(), deferred()]
    const bus = createBus({ queue: { capacity: 1 } })
    bus.on(Tick, ({ payload }) => gates[payload]?.promise)
    await bus.start()
    const publishes = [0, 1, 2, 3].map((n) => statusOf(bus.publish(Tick(n))))
    await settle()
    expect(publishes.map(({ now }) => now)).toEqual(['accepted', 'accepted', 'pending', 'pending'])
    gates[0]!.resolve()
    await settle()
    expect(publishes.map(({ now }) => now)).toEqual(['accepted', 'accepted', 'accepted', 'pending'])
    gates[1]!.resolve()
    gates[2]!.resolve()
    await bus.idle()
  })

  it('C-82 R-Q-1 releases a publisher by its signal, and the event is not accepted', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 1 })
    await bus.publish(Tick(1))
    const controller = new AbortController()
    const aborted = bus.publish(Tick(2), { signal: controller.signal })
    const patient = bus.publish(Tick(3))
    controller.abort(new Error('never mind'))
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'never mind' } })
    expect(bus.stats()).toMatchObject({ blocked: 1, rejected: 1 })
    gate.resolve()
    await patient
    await bus.idle()
    expect(handled).toEqual([1, 3])
  })

  it('R-Q-1 heeds a signal that was raised while an asynchronous schema answered', async () => {
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(anything<number>(), answer.promise) })
    const { bus } = await plugged({ capacity: 1 })
    await bus.publish(Tick(1))
    const controller = new AbortController()
    const publish = statusOf(bus.publish(Slow(2), { signal: controller.signal }))
    controller.abort()
    answer.resolve()
    await settle()
    expect(publish.now).toBe('ABORTED')
    expect(bus.stats().blocked).toBe(0)
  })

  it('R-Q-1 leaves no abort listener behind once a publisher is released', async () => {
    const { bus, gate } = await plugged({ capacity: 1 })
    const controller = new AbortController()
    const removed: string[] = []
    const { signal } = controller
    const remove = signal.removeEventListener.bind(signal)
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      removed.push(String(args[0]))
      remove(...args)
    }
    await bus.publish(Tick(1))
    const publish = bus.publish(Tick(2), { signal })
    gate.resolve()
    await publish
    expect(removed).toEqual(['abort'])
  })

  it('R-PUB-5 refuses those who wait for room when the bus stops', async () => {
    const { bus, clock } = await plugged({ capacity: 1 })
    await bus.publish(Tick(1))
    const blocked = statusOf(bus.publish(Tick(2)))
    const stop = bus.stop({ timeoutMs: 10 })
    await clock.advance(2000)
    await stop
    expect(blocked.now).toBe('BUS_STOPPED')
    expect(bus.stats()).toMatchObject({ blocked: 0, rejected: 1 })
  })

  it('R-Q-1 never lets a newcomer overtake those who wait for room', async () => {
    const gates = [deferred(), deferred(), deferred()]
    const bus = createBus({ queue: { capacity: 512 } })
    let began = 0
    bus.on(Plug, () => gates[began++]?.promise)
    const handled: number[] = []
    bus.on(Tick, ({ payload }) => void handled.push(payload))
    await bus.start()
    for (let n = 0; n < 3; n++) void bus.publish(Plug())
    await settle()
    for (let n = 0; n < 510; n++) void bus.publish(Tick(n))
    const patient = bus.publish(Tick(510))
    expect(bus.stats()).toMatchObject({ running: 1, waiting: 512, blocked: 1 })
    gates[0]!.resolve()
    await settle()
    const newcomer = bus.publish(Tick(511))
    gates[1]!.resolve()
    gates[2]!.resolve()
    await Promise.all([patient, newcomer])
    await bus.idle()
    expect(handled.indexOf(510)).toBeLessThan(handled.indexOf(511))
  })

  it('R-SES-1 refuses those who wait for room in a session that ends, and does not wait for the room', async () => {
    const { bus, gate } = await plugged({ capacity: 1 })
    const log: string[] = []
    bus.on(Tick, ({ sessionId }) => void log.push(`tick of ${sessionId}`))
    bus.on(SessionEnded, () => void log.push('ended'))
    await bus.publish(Tick(1))
    const session = bus.session('chat')
    void session.publish(Tick(2)).catch(() => log.push('refused'))
    await settle()
    const end = session.end()
    await settle()
    gate.resolve()
    await end
    await bus.idle()
    expect(log).toEqual(['refused', 'ended', 'tick of BUS'])
  })

  it('R-SES-1 refuses those who wait for room in a session that is aborted, though the drop makes room', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 1 })
    const session = bus.session('chat')
    const Hold = defineEvent('hold')
    session.on(Hold, () => gate.promise)
    await session.publish(Hold())
    await settle()
    await session.publish(Tick(1))
    const blocked = statusOf(session.publish(Tick(2)))
    await settle()
    await session.end({ abort: true })
    await settle()
    expect(blocked.now).toBe('SESSION_ENDED')
    expect(handled).toEqual([])
  })

  it('R-Q-1 publishAndWait waits for room too, and times out there', async () => {
    const { bus, clock } = await plugged({ capacity: 1 })
    await bus.publish(Tick(1))
    const outcome = bus.publishAndWait(Tick(2), { timeoutMs: 50 })
    const refused = failureOf(outcome)
    await clock.advance(50)
    expect(await refused).toMatchObject({ code: 'TIMED_OUT' })
    expect(bus.stats()).toMatchObject({ blocked: 0, rejected: 1 })
  })
})

describe('strategy reject', () => {
  it('C-81 R-Q-1 refuses with QUEUE_FULL, and says what to do', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 2, strategy: 'reject' })
    await bus.publish(Tick(1))
    await bus.publish(Tick(2))
    await expect(bus.publish(Tick(3))).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      message: expect.stringMatching(/queue of 2 .*'tick'.*(slowly|strategy)/s),
    })
    await expect(bus.publishAndWait(Tick(4))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    gate.resolve()
    await bus.idle()
    expect(handled).toEqual([1, 2])
    expect(bus.stats().rejected).toBe(2)
  })

  it('R-Q-1 accepts again when there is room', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 1, strategy: 'reject' })
    await bus.publish(Tick(1))
    await expect(bus.publish(Tick(2))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    gate.resolve()
    await bus.idle()
    await bus.publish(Tick(3))
    await bus.idle()
    expect(handled).toEqual([1, 3])
  })

  it('a refused publishAndWait leaves neither its timer nor its abort listener', async () => {
    const { bus, clock } = await plugged({ capacity: 1, strategy: 'reject' })
    await bus.publish(Tick(1))
    const { signal } = new AbortController()
    const listening: string[] = []
    signal.addEventListener = () => void listening.push('added')
    signal.removeEventListener = () => void listening.pop()
    await expect(bus.publishAndWait(Tick(2), { timeoutMs: 60_000, signal })).rejects.toMatchObject({
      code: 'QUEUE_FULL',
    })
    expect(clock.pendingTimers).toBe(0)
    expect(listening).toEqual([])
  })
})

describe('strategy drop-newest', () => {
  it('R-Q-1 drops what comes when the queue is full: the receipt says so', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 1, strategy: 'drop-newest' })
    await bus.publish(Tick(1))
    const event = Tick(2)
    await expect(bus.publish(event)).resolves.toEqual({ id: event.id, status: 'dropped', durability: 'memory' })
    gate.resolve()
    await bus.idle()
    expect(handled).toEqual([1])
    expect(bus.stats().dropped).toBe(1)
  })

  it('R-Q-1 rejects the publishAndWait of what it drops with EVENT_DROPPED', async () => {
    const { bus } = await plugged({ capacity: 1, strategy: 'drop-newest' })
    await bus.publish(Tick(1))
    await expect(bus.publishAndWait(Tick(2))).rejects.toMatchObject({ code: 'EVENT_DROPPED' })
  })
})

describe('strategy drop-oldest', () => {
  it('R-Q-1 drops the one that was accepted first, whatever its priority, and never a running one', async () => {
    const { bus, gate, handled } = await plugged({ capacity: 2, strategy: 'drop-oldest' })
    await bus.publish(Tick(1), { priority: 0 })
    await bus.publish(Tick(2), { priority: 100 })
    await expect(bus.publish(Tick(3))).resolves.toMatchObject({ status: 'accepted' })
    expect(bus.stats()).toMatchObject({ waiting: 2, dropped: 1, running: 1 })
    gate.resolve()
    await bus.idle()
    expect(new Set(handled)).toEqual(new Set([2, 3]))
  })

  it('R-Q-1 rejects the publishAndWait of what it drops with EVENT_DROPPED, and clears its timer', async () => {
    const { bus, clock } = await plugged({ capacity: 1, strategy: 'drop-oldest' })
    const outcome = bus.publishAndWait(Tick(1), { timeoutMs: 60_000 })
    const dropped = failureOf(outcome)
    await bus.publish(Tick(2))
    expect(await dropped).toMatchObject({
      code: 'EVENT_DROPPED',
      message: expect.stringContaining("'tick'"),
    })
    expect(clock.pendingTimers).toBe(0)
  })

  it('C-28 fault 7: R-Q-3 never drops a scheduled event', async () => {
    const { bus, clock, gate, handled } = await plugged({ capacity: 2, strategy: 'drop-oldest' })
    await bus.schedule(Tick(1), { delayMs: 10 })
    await bus.schedule(Tick(2), { delayMs: 10 })
    await bus.schedule(Tick(3), { delayMs: 10 })
    await clock.advance(10)
    expect(bus.stats().waiting).toBe(3)
    await expect(bus.publish(Tick(4))).resolves.toMatchObject({ status: 'dropped' })
    gate.resolve()
    await bus.idle()
    expect(handled).toEqual([1, 2, 3])
  })

  it('R-Q-3 drops an ordinary event for a newer one though a scheduled one is older', async () => {
    const { bus, clock, gate, handled } = await plugged({ capacity: 2, strategy: 'drop-oldest' })
    await bus.schedule(Tick(1), { delayMs: 10 })
    await clock.advance(10)
    await bus.publish(Tick(2))
    await bus.publish(Tick(3))
    gate.resolve()
    await bus.idle()
    expect(handled).toEqual([1, 3])
  })

  it('R-PUB-5 an event that is dropped while observers are told of it keeps nobody waiting', async () => {
    const { bus, gate } = await plugged({ capacity: 1, strategy: 'drop-oldest' })
    bus.observe({ eventAccepted: ({ payload }) => void (payload === 1 && bus.publish(Tick(2))) })
    const outcome = bus.publishAndWait(Tick(1))
    await expect(outcome).rejects.toMatchObject({ code: 'EVENT_DROPPED' })
    gate.resolve()
    await expect(bus.stop()).resolves.toMatchObject({ left: [] })
  })

  it('R-PUB-5 an event whose session is ended while it is accepted keeps nobody waiting', async () => {
    const { bus } = await plugged({ capacity: 1, highWaterMark: 1, strategy: 'drop-oldest' })
    const session = bus.session('chat')
    bus.observe({ backpressureChanged: () => void session.end({ abort: true }) })
    const outcome = session.publishAndWait(Tick(1), { timeoutMs: 60_000 })
    await expect(outcome).rejects.toMatchObject({ code: 'SESSION_ENDED' })
  })

  it('C-28 R-Q-3 never drops an event whose handler waits for a retry', async () => {
    const clock = new VirtualClock()
    const attempts: number[] = []
    const bus = createBus({
      clock,
      logger: recordingLogger(),
      queue: { capacity: 1, strategy: 'drop-oldest' },
      plugins: [{ name: 'retry', install: (host) => host.onFailure(() => ({ action: 'retry', delayMs: 100 })) }],
    })
    bus.on(Plug, (_event, { attempt }) => {
      attempts.push(attempt)
      return attempt < 2 ? Promise.reject(new Error('flaky')) : 'ok'
    })
    await bus.start()
    const outcome = bus.publishAndWait(Plug())
    await settle()
    await Promise.all([1, 2, 3].map((n) => bus.publish(Tick(n))))
    await clock.advance(100)
    await expect(outcome).resolves.toMatchObject({ failed: 0 })
    expect(attempts).toEqual([1, 2])
  })
})

describe('strategy rate-limit', () => {
  const paced = { capacity: 10, strategy: 'rate-limit', highWaterMark: 0.5, lowWaterMark: 0.2 } as const

  it('fault 16: R-Q-1 slows publishers down more and more above the high-water mark, and rejects nobody', async () => {
    const { bus, clock } = await plugged(paced)
    const waits: number[] = []
    for (let n = 0; n < 9; n++) {
      const from = clock.monotonic()
      const publish = bus.publish(Tick(n)).then(() => waits.push(clock.monotonic() - from))
      await clock.advance(1000)
      await publish
    }
    expect(waits.slice(0, 4)).toEqual([0, 0, 0, 0])
    const slowed = waits.slice(4)
    expect(slowed.every((wait, index) => wait > (slowed[index - 1] ?? 0))).toBe(true)
    expect(bus.stats()).toMatchObject({ rejected: 0, dropped: 0 })
  })

  it('R-Q-1 lets publishers go faster again below the low-water mark, in the end without delay', async () => {
    const { bus, clock, gate } = await plugged(paced)
    for (let n = 0; n < 9; n++) void bus.publish(Tick(n))
    gate.resolve()
    await clock.advance(1000)
    const waits: number[] = []
    for (let n = 0; n < 10; n++) {
      const from = clock.monotonic()
      const publish = bus.publish(Tick(n)).then(() => waits.push(clock.monotonic() - from))
      await clock.advance(1000)
      await publish
    }
    expect(waits[0]).toBeGreaterThan(0)
    expect(waits.every((wait, index) => wait <= (waits[index - 1] ?? Infinity))).toBe(true)
    expect(waits.at(-1)).toBe(0)
  })

  it('R-Q-1 never delays a publisher by more than 100 ms', async () => {
    const { bus, clock } = await plugged({ ...paced, capacity: 100, highWaterMark: 0.1, lowWaterMark: 0 })
    const publishes = Array.from({ length: 100 }, (_, n) => bus.publish(Tick(n)))
    await clock.advance(100)
    await Promise.all(publishes)
    expect(bus.stats().waiting).toBe(100)
  })

  it('R-Q-1 makes publishers wait when the queue is full', async () => {
    const { bus, clock, gate } = await plugged(paced)
    for (let n = 0; n < 10; n++) void bus.publish(Tick(n))
    const blocked = statusOf(bus.publish(Tick(10)))
    await clock.advance(1000)
    expect(blocked.now).toBe('pending')
    expect(bus.stats()).toMatchObject({ waiting: 10, blocked: 1 })
    gate.resolve()
    await clock.advance(1000)
    expect(blocked.now).toBe('accepted')
  })
})

describe('water marks', () => {
  const levels = (bus: Bus): string[] => {
    const heard: string[] = []
    bus.observe({ backpressureChanged: (level, waiting) => void heard.push(`${level} at ${waiting}`) })
    return heard
  }

  it('R-Q-1 announces each crossing once: by default at 0.8 and back at 0.5', async () => {
    const { bus, gate } = await plugged({ capacity: 10 })
    const heard = levels(bus)
    for (let n = 0; n < 10; n++) await bus.publish(Tick(n))
    expect(heard).toEqual(['high at 8'])
    expect(bus.stats().backpressure).toBe('high')
    gate.resolve()
    await bus.idle()
    expect(heard).toEqual(['high at 8', 'normal at 5'])
    expect(bus.stats().backpressure).toBe('normal')
  })

  it('R-SYS-1 publishes BackpressureChanged beyond the bound, also while the queue is full', async () => {
    const { bus, gate } = await plugged({ capacity: 2, highWaterMark: 1 })
    const heard: unknown[] = []
    bus.on(BackpressureChanged, ({ payload }) => void heard.push(payload))
    await bus.publish(Tick(1))
    await bus.publish(Tick(2))
    await settle()
    // It does not stand behind the events that it warns of, although all are in the lane of the bus.
    expect(bus.stats()).toMatchObject({ waiting: 2, system: { waiting: 0, settled: 1 } })
    expect(heard).toHaveLength(1)
    gate.resolve()
    await bus.idle()
    expect(heard).toEqual([
      { level: 'high', waiting: 2, capacity: 2 },
      { level: 'normal', waiting: 1, capacity: 2 },
    ])
  })

  it.each([1, 2])('R-Q-1 announces nothing while a full queue of %i only exchanges events', async (capacity) => {
    const { bus } = await plugged({ capacity, strategy: 'drop-oldest' })
    const heard = levels(bus)
    for (let n = 0; n < 6; n++) await bus.publish(Tick(n))
    expect(heard).toEqual([`high at ${capacity}`])
  })

  it('R-Q-1 announces nothing while released publishers keep the queue full', async () => {
    const { bus, gate } = await plugged({ capacity: 2 })
    const heard = levels(bus)
    const publishes = Array.from({ length: 20 }, (_, n) => bus.publish(Tick(n)))
    gate.resolve()
    await Promise.all(publishes)
    await bus.idle()
    expect(heard).toEqual(['high at 2', 'normal at 1'])
  })
})

describe('entry beyond the bound', () => {
  it('R-Q-3 lets due events in when the queue is full, under every strategy', async () => {
    const strategies = ['wait', 'reject', 'drop-newest', 'drop-oldest', 'rate-limit'] as const
    for (const strategy of strategies) {
      const { bus, clock, gate, handled } = await plugged({ capacity: 1, strategy })
      await bus.schedule(Tick(2), { delayMs: 500 })
      const first = bus.publish(Tick(1))
      await clock.advance(500)
      await first
      expect(bus.stats()).toMatchObject({ waiting: 2, dropped: 0, rejected: 0 })
      gate.resolve()
      await bus.idle()
      expect(handled).toEqual([1, 2])
    }
  })

  it('C-79 R-Q-4 admits what a handler publishes into a full queue, and neither deadlocks nor loses', async () => {
    const Many = defineEvent<number>('many')
    const bus = createBus({ queue: { capacity: 1 } })
    const handled: number[] = []
    bus.on(Many, async ({ payload }, context) => {
      for (let n = 0; n < payload; n++) await context.publish(Tick(n))
    })
    bus.on(Tick, ({ payload }) => void handled.push(payload))
    await bus.start()
    await bus.publish(Many(1000))
    await bus.idle()
    expect(handled).toEqual(Array.from({ length: 1000 }, (_, n) => n))
  })

  it.each([1, 5])(
    'C-79 R-Q-4 a handler fills the queue that it waits behind, %i lanes at once',
    async (concurrency) => {
      const bus = createBus({ queue: { capacity: 1 }, concurrency, lane: () => undefined })
      const handled: number[] = []
      bus.on(Tick, async ({ payload }, context) => {
        handled.push(payload)
        await Promise.all(
          [2 * payload, 2 * payload + 1].filter((next) => next < 128).map((n) => context.publish(Tick(n))),
        )
      })
      await bus.start()
      await bus.publish(Tick(1))
      await bus.idle()
      expect(handled.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 127 }, (_, index) => index + 1))
    },
  )

  it('R-Q-4 admits what a handler publishes through the bus as well', async () => {
    const bus = createBus({ queue: { capacity: 1 } })
    const handled: number[] = []
    bus.on(Plug, async () => {
      for (let n = 0; n < 10; n++) await bus.publish(Tick(n))
    })
    bus.on(Tick, ({ payload }) => void handled.push(payload))
    await bus.start()
    await bus.publish(Plug())
    await bus.idle()
    expect(handled).toHaveLength(10)
  })

  it.each(['wait', 'reject', 'drop-newest', 'drop-oldest'] as const)(
    'R-Q-4 gives a handler a typed error after 1,000 events beyond the bound (%s)',
    async (strategy) => {
      const Many = defineEvent('many')
      const bus = createBus({ queue: { capacity: 1, strategy }, logger: recordingLogger() })
      bus.on(
        Many,
        async (_event, context) => {
          for (let n = 0; n < 1100; n++) await context.publish(Tick(n))
        },
        { name: 'flood' },
      )
      await bus.start()
      const outcome = await bus.publishAndWait(Many())
      const [handler] = outcome.handlers
      expect(handler).toMatchObject({
        status: 'rejected',
        error: { code: 'HANDLER_PUBLISH_LIMIT', message: expect.stringContaining("'many'") },
      })
      expect(bus.stats().rejected).toBe(1)
      expect(bus.stats().offered).toBe(1 + 1 + 1000 + 1)
    },
  )

  it('R-Q-4 counts the limit for each handler call on its own', async () => {
    const Many = defineEvent('many')
    const bus = createBus({ queue: { capacity: 1 }, lane: () => undefined, concurrency: 1 })
    const flood = async (
      _event: unknown,
      context: { publish: (event: ReturnType<typeof Tick>) => Promise<unknown> },
    ) => {
      for (let n = 0; n < 900; n++) await context.publish(Tick(n))
    }
    bus.on(Many, flood, { name: 'one' })
    bus.on(Many, flood, { name: 'two' })
    await bus.start()
    await expect(bus.publishAndWait(Many())).resolves.toMatchObject({ failed: 0 })
  })

  it('R-Q-4 makes outside publishers wait until a queue that handlers overfilled is below its bound', async () => {
    const { bus, gate } = await plugged({ capacity: 2 }, { concurrency: 2 })
    const session = bus.session('chat')
    const Many = defineEvent('many')
    session.on(Many, async (_event, context) => {
      for (let n = 0; n < 5; n++) await context.publish(Plug(undefined, { sessionId: 'other' }))
      await bus.publish(Plug())
    })
    await session.publishAndWait(Many())
    const outside = statusOf(bus.publish(Tick(1)))
    await settle()
    expect(bus.stats().waiting).toBeGreaterThanOrEqual(2)
    expect(outside.now).toBe('pending')
    gate.resolve()
    await settle()
    expect(outside.now).toBe('accepted')
  })
})

describe('counts', () => {
  it('R-Q-2 counts every way an event can end, and the sum is what was offered', async () => {
    const { bus, gate, clock } = await plugged({ capacity: 2 })
    const { off, check } = watchAccounting(bus)
    const Noise = defineEvent('noise')
    bus.filter((event) => !typeFilter(Noise)(event))
    await bus.publish(Noise())
    await bus.publish(Tick(NaN), { priority: NaN }).catch(() => check('refused'))
    const controller = new AbortController()
    await bus.publish(Tick(1))
    await bus.publish(Tick(2))
    const blocked = [bus.publish(Tick(3), { signal: controller.signal }), bus.publish(Tick(4))]
    check('blocked')
    expect(bus.stats()).toMatchObject({ offered: 7, running: 1, waiting: 2, blocked: 2, filtered: 1, rejected: 1 })
    controller.abort()
    await Promise.allSettled(blocked.slice(0, 1))
    gate.resolve()
    await bus.idle()
    const stop = bus.stop()
    await clock.advance(1)
    await stop
    expect(off).toEqual([])
    expect(bus.stats()).toMatchObject({ offered: 7, settled: 4, filtered: 1, rejected: 2, running: 0, waiting: 0 })
  })

  it('R-Q-2 holds inside an observer that hears of a drop', async () => {
    const { bus } = await plugged({ capacity: 1, strategy: 'drop-oldest' })
    const { off } = watchAccounting(bus)
    for (let n = 0; n < 3; n++) await bus.publish(Tick(n))
    expect(off).toEqual([])
  })

  it('R-Q-2 counts system events apart, refused ones too', async () => {
    const { bus, gate } = await plugged({ capacity: 5 })
    bus.on(BackpressureChanged, () => undefined)
    await bus.publish(BackpressureChanged({ level: 'high', waiting: 0, capacity: 5 }))
    await bus
      .publish(BackpressureChanged({ level: 'high', waiting: 0, capacity: 5 }), { priority: NaN })
      .catch(() => undefined)
    expect(bus.stats()).toMatchObject({ offered: 1, rejected: 0, waiting: 0, system: { waiting: 1 } })
    gate.resolve()
    await bus.idle()
    expect(bus.stats()).toMatchObject({ offered: 1, settled: 1, system: { waiting: 0, running: 0, settled: 1 } })
  })

  it('R-Q-2 counts events that were left at stop, and starts over from there', async () => {
    const bus = createBus()
    await bus.publish(Tick(1))
    await bus.publish(Tick(2))
    await bus.stop()
    expect(bus.stats()).toMatchObject({ offered: 2, leftAtStop: 2, waiting: 0 })
    await bus.start()
    await bus.publish(Tick(3))
    await bus.idle()
    expect(bus.stats()).toMatchObject({ offered: 3, leftAtStop: 2, settled: 1 })
    expect(imbalance(bus.stats())).toBe(0)
    await bus.stop()
  })

  it('R-Q-2 counts an event that its publisher gave up while it waited as settled', async () => {
    const { bus, clock } = await plugged({})
    const outcome = bus.publishAndWait(Tick(1), { timeoutMs: 10 })
    await clock.advance(10)
    await expect(outcome).resolves.toMatchObject({ handlers: [{ status: 'timed-out', attempts: 0 }] })
    expect(bus.stats()).toMatchObject({ offered: 2, settled: 1, running: 1, waiting: 0 })
  })

  it('R-Q-5 computes queueSize when it is read, system events included', async () => {
    const { bus, gate } = await plugged({ capacity: 1, highWaterMark: 1 })
    bus.on(BackpressureChanged, () => undefined)
    const sizes = [bus.stats().queueSize]
    const publish = bus.publish(Tick(1))
    sizes.push(bus.stats().queueSize)
    await publish
    gate.resolve()
    await bus.idle()
    sizes.push(bus.stats().queueSize)
    expect(sizes).toEqual([0, 2, 0])
  })

  it('R-Q-5 a snapshot of stats does not change afterwards', async () => {
    const bus = createBus()
    const before = bus.stats()
    await bus.publish(Tick(1))
    expect(before.offered).toBe(0)
    expect(bus.stats().offered).toBe(1)
  })
})
