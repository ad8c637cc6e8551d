import { describe, expect, it, vi } from 'vitest'
import {
  type BusError,
  type BusOptions,
  createBus,
  defineCommand,
  defineEvent,
  type QueueStrategy,
} from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { quietBus, runningBus } from './support/quiet-bus.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { anything, later } from './support/schemas.ts'
import { stateOf } from './support/state-of.ts'
import { unhandledDuring } from './support/unhandled.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Placed = defineEvent<string>('placed')
const Other = defineEvent<string>('other')
const Plug = defineEvent('plug')
const Do = defineCommand<string, string>('do')

/** A bus whose only lane is held, with a queue of one that is full: what comes next meets the strategy. */
const full = async (strategy: QueueStrategy = 'reject', options: BusOptions = {}) => {
  const gate = deferred()
  const logger = recordingLogger()
  const bus = await runningBus({ logger, queue: { capacity: 1, strategy }, ...options })
  bus.on(Plug, () => gate.promise)
  void bus.publish(Plug())
  await settle()
  void bus.publish(Placed('fills the queue'))
  return { bus, gate, logger }
}

/** What a publish is refused with; listened to at once, asked for later. */
const codeOf = (refused: Promise<unknown>): Promise<unknown> =>
  refused.then(
    () => 'not refused',
    (error: BusError) => error.code,
  )

describe('accepting', () => {
  it('R-PUB-1 resolves when the event is accepted, not when it is handled', async () => {
    const bus = await runningBus()
    const gate = deferred()
    bus.on(Placed, () => gate.promise)
    const event = Placed('a')

    await expect(bus.publish(event)).resolves.toEqual({ id: event.id, status: 'accepted', durability: 'memory' })

    expect(bus.stats().settled).toBe(0)
    gate.resolve()
  })

  it('R-PUB-1 has accepted an in-memory event before the call returns', () => {
    const bus = quietBus()

    void bus.publish(Placed('a'))

    expect(bus.stats()).toMatchObject({ offered: 1, waiting: 1 })
  })

  it.each([
    ['a synchronous schema', {}, defineEvent('checked', { schema: anything<string>() })],
    [
      'publish middleware that calls next at once',
      { publish: (_event: unknown, next: () => unknown) => next() },
      Placed,
    ],
    [
      'asynchronous publish middleware that calls next at once',
      { publish: async (_event: unknown, next: () => unknown) => next() },
      Placed,
    ],
  ] as const)('R-PUB-1 has accepted it before the call returns, with %s', (_what, middleware, definition) => {
    const bus = quietBus()
    bus.use(middleware)

    void bus.publish(definition('a'))

    expect(bus.stats().waiting).toBe(1)
  })

  it('R-PUB-1 starts handlers in a later microtask, never inside the call', async () => {
    const bus = await runningBus()
    const log: string[] = []
    bus.on(Placed, () => void log.push('handler'))

    void bus.publish(Placed('a'))
    void bus.publishAndWait(Placed('b'))
    log.push('calls returned')
    await settle()

    expect(log).toEqual(['calls returned', 'handler', 'handler'])
  })

  it('R-PUB-1 does not start a nested event inside the call either', async () => {
    const bus = await runningBus()
    const log: string[] = []
    bus.on(Other, () => void log.push('nested'))
    bus.on(Placed, async (_event, { publishAndWait }) => {
      const waiting = publishAndWait(Other('b'))
      log.push('call returned')
      await waiting
    })

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(['call returned', 'nested'])
  })

  it('R-PUB-1 does not wait for what publish middleware does after next', async () => {
    const bus = await runningBus()
    const never = new Promise(() => {})
    bus.use({
      publish: async (_event, next) => {
        await next()
        await never
      },
    })

    await expect(bus.publish(Placed('a'))).resolves.toMatchObject({ status: 'accepted' })
  })

  it('R-PUB-1 keeps the order of calls without waiting for any of them', async () => {
    const bus = await runningBus()
    const handled: string[] = []
    bus.on(Placed, async ({ payload }) => void handled.push(payload))

    for (const payload of ['a', 'b', 'c']) void bus.publish(Placed(payload))
    await bus.idle()

    expect(handled).toEqual(['a', 'b', 'c'])
  })

  it('C-27 fault 2: a publish does not wait for events that are scheduled for later', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock })
    await bus.schedule(Other('tomorrow'), { delayMs: 86_400_000 })

    await expect(bus.publish(Placed('a'))).resolves.toMatchObject({ status: 'accepted' })
    await expect(bus.publishAndWait(Placed('b'))).resolves.toMatchObject({ disposition: 'handled' })
    await bus.idle()

    expect(bus.stats()).toMatchObject({ settled: 2, scheduled: 1 })
    expect(clock.monotonic()).toBe(0)
  })
})

describe('before start', () => {
  it('C-83 R-PUB-2 buffers events, visibly, and handles them in order once started', async () => {
    const bus = quietBus()
    const handled: string[] = []
    bus.on(Placed, ({ payload }) => void handled.push(payload))
    for (const payload of ['a', 'b', 'c']) await bus.publish(Placed(payload))
    await settle()

    expect(handled).toEqual([])
    expect(bus.stats()).toMatchObject({ state: 'created', waiting: 3, buffered: 3, queueSize: 3 })
    await bus.start()
    await bus.idle()

    expect(handled).toEqual(['a', 'b', 'c'])
    expect(bus.stats()).toMatchObject({ waiting: 0, buffered: 0 })
  })

  it('R-PUB-2 orders the buffer by the order key', async () => {
    const bus = quietBus({ clock: new VirtualClock() })
    const handled: string[] = []
    bus.on(Placed, ({ payload }) => void handled.push(payload))
    void bus.publish(Placed('normal'))
    void bus.publish(Placed('low'), { priority: 90 })
    void bus.publish(Placed('high'), { priority: 10 })
    void bus.publish(Placed('normal again'))

    await bus.start()
    await bus.idle()

    expect(handled).toEqual(['high', 'normal', 'normal again', 'low'])
  })

  it('R-PUB-2 buffers while it starts', async () => {
    const gate = deferred()
    const bus = quietBus({ plugins: [{ name: 'slow', install: (host) => host.onStart(() => gate.promise) }] })
    const handled: string[] = []
    bus.on(Placed, ({ payload }) => void handled.push(payload))
    const starting = bus.start()
    await bus.publish(Placed('a'))
    await settle()

    expect(bus.stats()).toMatchObject({ state: 'starting', buffered: 1 })
    expect(handled).toEqual([])
    gate.resolve()
    await starting
    await bus.idle()

    expect(handled).toEqual(['a'])
  })

  it.each(['wait', 'reject', 'rate-limit'] as const)(
    'C-83 R-PUB-2 refuses what a full buffer cannot take, with %s',
    async (strategy) => {
      const clock = new VirtualClock()
      const bus = quietBus({ clock, queue: { capacity: 2, strategy } })
      const handled: string[] = []
      bus.on(Placed, ({ payload }) => void handled.push(payload))
      void bus.publish(Placed('a'))
      void bus.publish(Placed('b'))

      await expect(bus.publish(Placed('c'))).rejects.toMatchObject({
        code: 'QUEUE_FULL',
        message: expect.stringContaining('start()'),
      })
      await expect(bus.publishAndWait(Placed('d'))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
      expect(bus.stats()).toMatchObject({ buffered: 2, rejected: 2 })
      await bus.start()
      await bus.idle()

      expect(handled).toEqual(['a', 'b'])
    },
  )

  it.each([
    ['drop-newest', 'dropped', ['a', 'b']],
    ['drop-oldest', 'accepted', ['b', 'c']],
  ] as const)('C-83 R-PUB-2 keeps the bound of the buffer with %s', async (strategy, status, kept) => {
    const bus = quietBus({ queue: { capacity: 2, strategy } })
    const handled: string[] = []
    bus.on(Placed, ({ payload }) => void handled.push(payload))
    void bus.publish(Placed('a'))
    void bus.publish(Placed('b'))

    await expect(bus.publish(Placed('c'))).resolves.toMatchObject({ status })
    expect(bus.stats()).toMatchObject({ buffered: 2, dropped: 1 })
    await bus.start()
    await bus.idle()

    expect(handled).toEqual(kept)
  })

  it('R-PUB-2 executes commands before start, also one that publishes', async () => {
    const bus = quietBus()
    bus.handle(Do, async (_command, { publish }) => (await publish(Placed('a'))).status)

    await expect(bus.execute(Do('now'))).resolves.toMatchObject({ success: true, value: 'accepted' })
    expect(bus.stats().buffered).toBe(1)
  })

  it('R-PUB-2 gives the outcome of a buffered publishAndWait after start', async () => {
    const bus = quietBus()
    bus.on(Placed, () => 'handled')
    const waiting = bus.publishAndWait(Placed('a'))
    expect(await stateOf(waiting)).toBe('pending')

    await bus.start()

    expect((await waiting).handlers[0]).toMatchObject({ value: 'handled' })
  })
})

describe('stopping', () => {
  it('R-PUB-5 refuses outside publishes as soon as stop was called', async () => {
    const bus = await runningBus()
    const gate = deferred()
    bus.on(Placed, () => gate.promise)
    void bus.publish(Placed('runs'))
    await settle()

    const stopping = bus.stop()
    const attempts = [
      bus.publish(Placed('a')),
      bus.publishAndWait(Placed('b')),
      bus.schedule(Placed('c'), { delayMs: 1 }),
    ]

    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: 'BUS_STOPPED' })
    gate.resolve()
    await stopping
    await expect(bus.publish(Placed('d'))).rejects.toMatchObject({ code: 'BUS_STOPPED' })
  })

  it.each(['context', 'bus'] as const)(
    'R-PUB-5 accepts what a handler that is still finishing publishes through %s',
    async (through) => {
      const bus = await runningBus()
      const gate = deferred()
      const handled: string[] = []
      bus.on(Placed, async (_event, context) => {
        await gate.promise
        const verbs = { context, bus }[through]
        await verbs.publish(Other('published'))
        await verbs.publishAndWait(Other('waited for'))
      })
      bus.on(Other, ({ payload }) => void handled.push(payload))
      void bus.publish(Placed('a'))
      await settle()
      const stopping = bus.stop()
      await settle()
      gate.resolve()

      const report = await stopping

      expect(handled).toEqual(['waited for', 'published'])
      expect(report).toMatchObject({ finished: 3, aborted: 0, left: [] })
    },
  )

  it('R-PUB-5 finishes what is queued, in every lane', async () => {
    const bus = await runningBus({ lane: ({ payload }) => payload as string, concurrency: 2 })
    const handled: string[] = []
    bus.on(Placed, async ({ payload }) => {
      await settle()
      handled.push(payload)
    })
    for (const lane of ['a', 'b', 'c', 'a', 'b', 'c']) void bus.publish(Placed(lane))

    const { finished, left } = await bus.stop()

    expect(handled.toSorted()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
    expect({ finished, left }).toEqual({ finished: 6, left: [] })
  })

  it('R-PUB-5 reports what it could not finish: what waits, and what was aborted', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock })
    bus.on(Placed, () => new Promise(() => {}))
    const [running, waiting] = [Placed('running'), Placed('waiting')]
    void bus.publish(running)
    void bus.publish(waiting)
    await settle()
    const stopping = bus.stop({ timeoutMs: 100 })
    await clock.advance(5000)

    const { left } = await stopping

    expect(left).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ id: running.id, reason: 'aborted' }),
        expect.objectContaining({ id: waiting.id, reason: 'waiting' }),
      ]),
    )
    expect(left).toHaveLength(2)
  })

  it('R-PUB-5 rejects a publishAndWait that is left waiting', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock })
    bus.on(Plug, () => new Promise(() => {}))
    void bus.publish(Plug())
    const waiting = codeOf(bus.publishAndWait(Placed('a')))
    await settle()
    const stopping = bus.stop({ timeoutMs: 100 })
    await clock.advance(5000)
    await stopping

    expect(await waiting).toBe('BUS_STOPPED')
  })

  it.each(['a schema', 'publish middleware'])(
    'R-PUB-5 refuses an event whose %s answers after the stop',
    async (what) => {
      const gate = deferred()
      const bus = await runningBus()
      const slow = { 'a schema': [gate.promise, undefined], 'publish middleware': [undefined, gate.promise] }[what]!
      const Slow = defineEvent('slow', { schema: later(anything<string>(), slow[0]) })
      bus.use({
        publish: async (_event, next) => {
          await slow[1]
          return next()
        },
      })
      const publishing = bus.publish(Slow('a'))
      await settle()
      await bus.stop({ timeoutMs: 0 })

      gate.resolve()

      await expect(publishing).rejects.toMatchObject({ code: 'BUS_STOPPED' })
      expect(bus.stats().waiting).toBe(0)
    },
  )

  it('R-PUB-5 loses nothing that a handler publishes while the plugins stop', async () => {
    const [publishing, stopped] = [deferred(), deferred()]
    const bus = await runningBus({
      plugins: [{ name: 'slow', install: (host) => host.onStop(() => stopped.promise) }],
    })
    let stopping = Promise.resolve<{ readonly left: readonly { readonly id: string }[] }>({ left: [] })
    const late = Other('late')
    const accepted = deferred<string>()
    bus.on(Placed, async (_event, { publish }) => {
      stopping = bus.stop()
      await publishing.promise
      await publish(late).then(
        () => accepted.resolve('accepted'),
        () => accepted.resolve('refused'),
      )
    })
    void bus.publish(Placed('a'))
    await settle()
    publishing.resolve()
    const answer = await accepted.promise
    stopped.resolve()
    const { left } = await stopping

    expect([answer, left.map(({ id }) => id)]).toBeOneOf([
      ['refused', []],
      ['accepted', [late.id]],
    ])
  })

  it('R-PUB-5 ends the wait of blocked publishers', async () => {
    const { bus } = await full('wait')
    const blocked = bus.publish(Placed('blocked'))
    expect(await stateOf(blocked)).toBe('pending')

    const refused = codeOf(blocked)
    await bus.stop({ timeoutMs: 0 })

    expect(await refused).toBe('BUS_STOPPED')
    expect(bus.stats()).toMatchObject({ blocked: 0, rejected: 1 })
  })
})

describe('waiting for the outcome', () => {
  it('R-PUB-1 resolves at once for an event that nobody handles', async () => {
    const bus = await runningBus()

    await expect(bus.publishAndWait(Placed('a'))).resolves.toMatchObject({
      disposition: 'handled',
      handlers: [],
      failed: 0,
    })
  })

  it.each(['timeoutMs', 'signal'] as const)(
    'R-PRI-3 ends a blocked publishAndWait by its %s, and the event never runs',
    async (how) => {
      const clock = new VirtualClock()
      const { bus, gate } = await full('wait', { clock })
      const handled: string[] = []
      bus.on(Placed, ({ payload }) => void handled.push(payload))
      const controller = new AbortController()
      const limits = { timeoutMs: { timeoutMs: 10 }, signal: { signal: controller.signal } }
      const blocked = bus.publishAndWait(Placed('blocked'), limits[how])
      expect(bus.stats().blocked).toBe(1)

      const refused = codeOf(blocked)
      await clock.advance(10)
      controller.abort()
      expect(await refused).toBe({ timeoutMs: 'TIMED_OUT', signal: 'ABORTED' }[how])
      gate.resolve()
      await bus.idle()

      expect(handled).toEqual(['fills the queue'])
      expect(bus.stats()).toMatchObject({ blocked: 0, rejected: 1 })
      expect(clock.pendingTimers).toBe(0)
    },
  )

  it('R-PRI-3 does not accept what is aborted already', async () => {
    const bus = await runningBus()
    const signal = AbortSignal.abort(new Error('no'))

    await expect(bus.publish(Placed('a'), { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(bus.publishAndWait(Placed('a'), { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(bus.stats()).toMatchObject({ offered: 2, rejected: 2 })
  })

  it('R-PRI-3 heeds a signal that is raised while the schema answers', async () => {
    const gate = deferred()
    const Slow = defineEvent('slow', { schema: later(anything<string>(), gate.promise) })
    const bus = await runningBus()
    const handled: string[] = []
    bus.on(Slow, ({ payload }) => void handled.push(payload))
    const controller = new AbortController()
    const waiting = bus.publishAndWait(Slow('a'), { signal: controller.signal }).then(
      ({ handlers }) => handlers[0]?.status,
      ({ code }) => code as string,
    )

    controller.abort()
    gate.resolve()

    expect(await waiting).toBeOneOf(['aborted', 'ABORTED'])
    expect(handled).toEqual([])
  })

  it('R-PRI-3 counts the time that the schema takes', async () => {
    const clock = new VirtualClock()
    const Slow = defineEvent('slow', { schema: later(anything<string>(), new Promise(() => {})) })
    const bus = await runningBus({ clock })
    const waiting = codeOf(bus.publishAndWait(Slow('a'), { timeoutMs: 10 }))

    await clock.advance(10)

    expect(await waiting).toBe('TIMED_OUT')
  })

  it('R-PRI-3 releases a publisher that blocks with a signal which was raised while the schema answered', async () => {
    const gate = deferred()
    const Slow = defineEvent('slow', { schema: later(anything<string>(), gate.promise) })
    const { bus } = await full('wait')
    const controller = new AbortController()
    const blocked = bus.publish(Slow('a'), { signal: controller.signal })

    controller.abort()
    gate.resolve()

    expect(await stateOf(blocked)).toBe('rejected')
    expect(bus.stats().blocked).toBe(0)
  })

  it('R-PRI-3 leaves no timer and no listener behind when the event settles in time', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock })
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')

    await bus.publishAndWait(Placed('a'), { timeoutMs: 60_000, signal })

    expect(clock.pendingTimers).toBe(0)
    expect(removed).toHaveBeenCalledOnce()
  })

  it.each([-1, NaN, '5'])('R-PRI-3 refuses the timeout %s', async (timeoutMs) => {
    const bus = await runningBus()

    await expect(bus.publishAndWait(Placed('a'), { timeoutMs: timeoutMs as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})

describe('refusals', () => {
  it('fault 18: each publisher receives its own error, and only that', async () => {
    const bus = await runningBus()
    bus.on(Placed, async ({ payload }) => {
      await settle()
      throw new Error(payload)
    })
    bus.on(Other, () => 'fine')
    const payloads = ['a', 'b', 'c']

    const [fine, ...failed] = await Promise.all([
      bus.publishAndWait(Other('fine')),
      ...payloads.map((payload) => bus.publishAndWait(Placed(payload))),
    ])
    const receipts = await Promise.all([bus.publish(Placed('d')), bus.publish(Other('e'))])

    expect(fine.failed).toBe(0)
    expect(failed.map(({ handlers }) => (handlers[0] as { error: Error }).error.message)).toEqual(payloads)
    expect(receipts.map(({ status }) => status)).toEqual(['accepted', 'accepted'])
  })

  it('fault 18: of concurrent publishes only the refused ones reject', async () => {
    const bus = quietBus({ queue: { capacity: 2, strategy: 'reject' } })

    const settled = await Promise.allSettled(['a', 'b', 'c', 'd'].map((payload) => bus.publish(Placed(payload))))

    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
  })

  it('R-ERR-5 throws to who awaits the publish, now or later', async () => {
    const { bus } = await full()

    await expect(bus.publish(Placed('a'))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    const kept = bus.publish(Placed('b'))
    await settle()
    await expect(kept).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  })

  it('R-ERR-5 neither counts nor logs a refusal that somebody awaits', async () => {
    const { bus, logger } = await full()

    await bus.publish(Placed('a')).catch(() => {})
    await settle()

    expect(bus.stats().unheardRefusals).toBe(0)
    expect(logger.lines).toEqual([])
  })

  type FullBus = Awaited<ReturnType<typeof full>>['bus']
  const aborted = AbortSignal.abort()
  it.each<readonly [string, QueueStrategy, (bus: FullBus) => void]>([
    ['publish into a full queue', 'reject', (bus) => void bus.publish(Placed('a'))],
    ['publishAndWait into a full queue', 'reject', (bus) => void bus.publishAndWait(Placed('a'))],
    ['publishAndWait that is dropped', 'drop-newest', (bus) => void bus.publishAndWait(Placed('a'))],
    ['publish that is aborted already', 'wait', (bus) => void bus.publish(Placed('a'), { signal: aborted })],
    ['schedule of an invalid date', 'wait', (bus) => void bus.schedule(Placed('a'), { at: NaN })],
    ['publish through a session', 'reject', (bus) => void bus.session('s').publish(Placed('a'))],
    ['publishAndWait through a session', 'reject', (bus) => void bus.session('s').publishAndWait(Placed('a'))],
    ['schedule through a session', 'reject', (bus) => void bus.session('s').schedule(Placed('a'), { at: NaN })],
    ['publish of something that is no event', 'wait', (bus) => void bus.publish(undefined as never)],
  ])('R-ERR-5 counts and logs a %s that nobody awaits', async (_what, strategy, refused) => {
    const { bus, logger } = await full(strategy)

    const unhandled = await unhandledDuring(async () => refused(bus))

    expect(unhandled).toEqual([])
    expect(bus.stats().unheardRefusals).toBe(1)
    expect(logger.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('nobody awaits') }])
  })

  it.each(['publish', 'publishAndWait'] as const)(
    'R-ERR-5 counts and logs a blocked %s that is refused and that nobody awaits',
    async (verb) => {
      const { bus, logger } = await full('wait')
      const controller = new AbortController()
      void bus[verb](Placed('blocked'), { signal: controller.signal })
      await settle()

      const unhandled = await unhandledDuring(async () => controller.abort())

      expect(unhandled).toEqual([])
      expect(bus.stats().unheardRefusals).toBe(1)
      expect(logger.lines).toHaveLength(1)
    },
  )

  it('R-ERR-5 counts and logs a publish of an ended session that nobody awaits', async () => {
    const { bus, logger } = await full()
    const session = bus.session('s')
    await session.end()

    const unhandled = await unhandledDuring(async () => void session.publish(Placed('a')))

    expect(unhandled).toEqual([])
    expect(bus.stats().unheardRefusals).toBe(1)
    expect(logger.lines).toHaveLength(1)
  })

  it.each([
    [
      'asynchronous schema',
      defineEvent('slow', {
        schema: later({ '~standard': { version: 1, vendor: 'x', validate: () => ({ issues: [{ message: 'no' }] }) } }),
      }),
    ],
    [
      'synchronous schema',
      defineEvent('quick', {
        schema: { '~standard': { version: 1, vendor: 'x', validate: () => ({ issues: [{ message: 'no' }] }) } },
      }),
    ],
  ] as const)('R-ERR-5 counts and logs a payload that its %s refuses when nobody awaits it', async (_what, Refused) => {
    const bus = await runningBus()

    const unhandled = await unhandledDuring(async () => void bus.publish(Refused('a')))

    expect(unhandled).toEqual([])
    expect(bus.stats().unheardRefusals).toBe(1)
  })

  it('R-ERR-5 lets publish middleware leave next() alone although the event is refused', async () => {
    const { bus } = await full()
    bus.use({ publish: (_event, next) => void next() })

    const unhandled = await unhandledDuring(async () => {
      await expect(bus.publish(Placed('a'))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    })

    expect(unhandled).toEqual([])
  })

  it('R-ERR-5 lets a handler leave its refused publishes alone', async () => {
    const bus = await runningBus()
    bus.on(Placed, (_event, { publish, publishAndWait }) => {
      void publish(undefined as never)
      void publishAndWait(undefined as never)
    })

    const unhandled = await unhandledDuring(() => bus.publishAndWait(Placed('a')))

    expect(unhandled).toEqual([])
    expect(bus.stats().unheardRefusals).toBe(2)
  })

  it('R-ERR-5 logs to the console, from warnings up, by default', async () => {
    const [warn, error, info] = (['warn', 'error', 'info'] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation(() => {}),
    )
    const bus = createBus({ queue: { capacity: 1, strategy: 'reject' } })
    void bus.publish(Placed('a'))
    void bus.publish(Placed('refused'))
    bus.on(Placed, () => {
      throw new Error('failed')
    })
    await bus.start()
    await settle()

    expect(warn).toHaveBeenCalledWith(expect.stringContaining('nobody awaits'), expect.anything())
    expect(error).toHaveBeenCalledWith(expect.stringContaining('failed'), expect.anything())
    expect(info).not.toHaveBeenCalled()
    vi.restoreAllMocks()
  })
})
