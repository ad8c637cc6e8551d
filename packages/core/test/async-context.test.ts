import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { type Bus, type BusOptions, createBus, defineCommand, defineEvent, type HandlerContext } from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { runningBus } from './support/quiet-bus.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { retrying } from './support/retry.ts'
import { anything, later } from './support/schemas.ts'
import { stateOf } from './support/state-of.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Outer = defineEvent<string>('outer')
const Inner = defineEvent<string>('inner')
const Deep = defineEvent<number>('deep')
const Busy = defineEvent<string>('busy')
const Do = defineCommand<string, string>('do')

const byPayload: BusOptions = { lane: ({ payload }) => String(payload) }

type Through = (bus: Bus, context: HandlerContext) => Pick<Bus, 'publishAndWait'>
const ways: readonly (readonly [string, Through])[] = [
  ['context', (_bus, context) => context],
  ['bus', (bus) => bus],
]

describe('waiting inside a handler', () => {
  it.each(ways)(
    'fault 3: publishAndWait through %s inside a handler of the same lane does not deadlock',
    async (_way, through) => {
      const bus = await runningBus()
      const log: string[] = []
      bus.on(Inner, () => void log.push('inner'))
      bus.on(Outer, async (_event, context) => {
        await through(bus, context).publishAndWait(Inner('a'))
        log.push('outer')
      })

      await bus.publishAndWait(Outer('a'))

      expect(log).toEqual(['inner', 'outer'])
    },
  )

  it.each(ways)(
    'R-PUB-3 is recognised through %s after awaits, timers, and promises that settle elsewhere',
    async (_way, through) => {
      const bus = await runningBus()
      const elsewhere = deferred()
      bus.on(Inner, () => 'inner')
      bus.on(Outer, async (_event, context) => {
        await settle()
        await new Promise((resolve) => setTimeout(resolve, 0))
        await elsewhere.promise
        await Promise.all([settle(), through(bus, context).publishAndWait(Inner('a'))])
        return new Promise((resolve) => queueMicrotask(() => resolve(through(bus, context).publishAndWait(Inner('b')))))
      })
      const waiting = bus.publishAndWait(Outer('a'))
      await settle()
      elsewhere.resolve()

      expect((await waiting).handlers[0]).toMatchObject({
        status: 'fulfilled',
        value: { handlers: [{ value: 'inner' }] },
      })
    },
  )

  it.each(ways)('R-PUB-3 does not deadlock through %s when two lanes wait for each other', async (_way, through) => {
    const bus = await runningBus(byPayload)
    bus.on(Outer, async ({ payload }, context) => {
      await settle()
      await through(bus, context).publishAndWait(Inner({ a: 'b', b: 'a' }[payload]!))
    })
    bus.on(Inner, () => settle())

    const outcomes = await Promise.all([bus.publishAndWait(Outer('a')), bus.publishAndWait(Outer('b'))])

    expect(outcomes.map(({ failed }) => failed)).toEqual([0, 0])
  })

  it.each(ways)(
    'R-PUB-3 does not deadlock through %s across sessions, nor with concurrency 1',
    async (_way, through) => {
      const bus = await runningBus({ concurrency: 1 })
      const [one, two] = [bus.session('one'), bus.session('two')]
      const log: string[] = []
      one.on(Outer, async (_event, context) => {
        await settle()
        await through(bus, context).publishAndWait(Inner('x', { sessionId: 'two' }))
      })
      two.on(Inner, async (_event, context) => {
        await settle()
        await through(bus, context).publishAndWait(Busy('y', { sessionId: 'one' }))
      })
      one.on(Busy, ({ sessionId }) => void log.push(sessionId))

      const outcome = await one.publishAndWait(Outer('a'))

      expect(outcome.failed).toBe(0)
      expect(log).toEqual(['one'])
    },
  )

  it.each(['at once', 'later'] as const)(
    'R-PUB-3 is recognised in the group after a retry that settled %s',
    async (when) => {
      const clock = new VirtualClock()
      const bus = await runningBus({ clock, plugins: [retrying(2, 10)] })
      const second = { 'at once': () => 'done', later: async () => 'done' }[when]
      bus.on(Outer, (_event, { attempt }) => (attempt === 1 ? Promise.reject(new Error('first')) : second()), {
        priority: 1,
      })
      bus.on(
        Outer,
        async () => {
          await settle()
          return bus.publishAndWait(Inner('a'))
        },
        { priority: 2 },
      )
      const waiting = bus.publishAndWait(Outer('a'))
      await clock.advance(10)

      expect(await stateOf(waiting)).toBe('fulfilled')
    },
  )

  it('R-PUB-3 is recognised in a group behind turns of the event loop, skipped handlers and larger groups', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock })
    for (const priority of [1, 2, 2, 3]) bus.on(Outer, () => clock.elapse(20), { priority })
    const registration = bus.on(Outer, () => {}, { priority: 4 })
    bus.on(Outer, () => registration.remove(), { priority: 3 })
    bus.on(Outer, () => settle().then(() => bus.publishAndWait(Inner('a'))), { priority: 5 })

    expect((await bus.publishAndWait(Outer('a'))).failed).toBe(0)
  })

  it('R-PUB-3 is recognised through a session', async () => {
    const bus = await runningBus()
    const session = bus.session('s')
    session.on(Outer, async () => {
      await settle()
      return session.publishAndWait(Inner('a'))
    })

    const { handlers } = await session.publishAndWait(Outer('a'))

    expect(handlers[0]?.status).toBe('fulfilled')
  })

  it.each(ways)('R-PUB-3 does not deadlock through %s in a command that a handler executes', async (_way, through) => {
    const bus = await runningBus()
    bus.on(Inner, () => 'inner')
    bus.handle(Do, async (_command, context) => {
      await settle()
      return String((await through(bus, context).publishAndWait(Inner('a'))).handlers.length)
    })
    bus.on(Outer, async () => {
      await settle()
      return bus.execute(Do('a'))
    })

    const { handlers } = await bus.publishAndWait(Outer('a'))

    expect(handlers[0]).toMatchObject({ value: { success: true, value: '1' } })
  })

  it.each(ways)(
    'R-PUB-3 is recognised through %s although the schema of the event is asynchronous',
    async (_way, through) => {
      const Slow = defineEvent('slow', { schema: later(anything<string>(), settle()) })
      const bus = await runningBus()
      bus.on(Outer, async (_event, context) => through(bus, context).publishAndWait(Slow('a')))

      expect((await bus.publishAndWait(Outer('a'))).handlers[0]?.status).toBe('fulfilled')
    },
  )

  it('R-PUB-3 runs the nested event at once: outside its lane, the bound and the concurrency', async () => {
    const bus = await runningBus({ ...byPayload, concurrency: 1, queue: { capacity: 1, strategy: 'reject' } })
    const log: string[] = []
    bus.on(Inner, ({ payload }) => void log.push(payload))
    bus.on(Outer, async (_event, { publishAndWait }) => {
      void bus.publish(Inner('waits in the queue'))
      await publishAndWait(Inner('nested'))
      log.push('outer ends')
    })

    await bus.publishAndWait(Outer('a'))
    await bus.idle()

    expect(log).toEqual(['nested', 'outer ends', 'waits in the queue'])
  })

  it('R-PUB-3 gives the nested event strict groups of its own', async () => {
    const bus = await runningBus()
    const log: string[] = []
    bus.on(Inner, () => settle().then(() => log.push('first')), { priority: 1 })
    bus.on(Inner, async () => Promise.reject(new Error('x')), { priority: 2 })
    bus.on(Inner, () => void log.push('last'), { priority: 3 })
    bus.on(Outer, (_event, { publishAndWait }) => publishAndWait(Inner('a')), { priority: 1 })
    bus.on(Outer, () => void log.push('next group of the outer'), { priority: 2 })

    await bus.publishAndWait(Outer('a'))

    expect(log).toEqual(['first', 'last', 'next group of the outer'])
  })

  it('R-PUB-3 lets one handler wait for several nested events at once', async () => {
    const bus = await runningBus()
    const gates = [deferred(), deferred()]
    bus.on(Deep, ({ payload }) => gates[payload]!.promise)
    bus.on(Outer, (_event, { publishAndWait }) => Promise.all([publishAndWait(Deep(0)), publishAndWait(Deep(1))]))
    const waiting = bus.publishAndWait(Outer('a'))
    await settle()

    expect(bus.stats().running).toBe(3)
    gates[1]!.resolve()
    expect(await stateOf(waiting)).toBe('pending')
    gates[0]!.resolve()
    await waiting
  })

  it('R-PUB-3 aborts a nested event with the handler that waits for it, however deep', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock })
    const aborted: string[] = []
    const untilAborted = (signal: AbortSignal, name: string): void =>
      signal.addEventListener('abort', () => void aborted.push(name))
    bus.on(Outer, async (_event, { publishAndWait, signal }) => {
      untilAborted(signal, 'outer')
      await publishAndWait(Inner('a'))
    })
    bus.on(Inner, async (_event, { execute, signal }) => {
      untilAborted(signal, 'inner')
      await execute(Do('a'))
    })
    bus.handle(Do, async (_command, { signal }) => {
      untilAborted(signal, 'command')
      return new Promise(() => {})
    })
    const waiting = bus.publishAndWait(Outer('a'), { timeoutMs: 10 })
    await clock.advance(10)

    expect((await waiting).handlers[0]?.status).toBe('timed-out')
    expect(aborted.toSorted()).toEqual(['command', 'inner', 'outer'])
    expect(bus.stats()).toMatchObject({ running: 0, commands: { running: 0 } })
  })

  it('R-PUB-3 aborts a nested event that has not begun with the handler that waits for it', async () => {
    const bus = await runningBus()
    const controller = new AbortController()
    const log: string[] = []
    bus.on(Inner, () => void log.push('inner'))
    bus.on(Outer, async (_event, { publishAndWait }) => {
      const waiting = publishAndWait(Inner('a'))
      controller.abort()
      await waiting
    })

    await bus.publishAndWait(Outer('a'), { signal: controller.signal })
    await settle()

    expect(log).toEqual([])
    expect(bus.stats().running).toBe(0)
  })

  it.each(['timeoutMs', 'signal'] as const)(
    'R-PUB-3 ends a nested event by its own %s, and the outer handler goes on',
    async (how) => {
      const clock = new VirtualClock()
      const bus = await runningBus({ clock })
      const controller = new AbortController()
      const limits = { timeoutMs: { timeoutMs: 10 }, signal: { signal: controller.signal } }
      bus.on(Inner, () => new Promise(() => {}))
      bus.on(Outer, (_event, { publishAndWait }) => publishAndWait(Inner('a'), limits[how]))
      const waiting = bus.publishAndWait(Outer('a'))
      await clock.advance(10)
      controller.abort()

      const { handlers } = await waiting

      expect(handlers[0]).toMatchObject({
        status: 'fulfilled',
        value: { handlers: [{ status: { timeoutMs: 'timed-out', signal: 'aborted' }[how] }] },
      })
    },
  )

  it('R-PUB-3 ends a nested event by a signal that is raised before it begins', async () => {
    const bus = await runningBus()
    const log: string[] = []
    bus.on(Inner, () => void log.push('inner'))
    bus.on(Outer, (_event, { publishAndWait }) => {
      const controller = new AbortController()
      const waiting = publishAndWait(Inner('a'), { signal: controller.signal })
      controller.abort()
      return waiting
    })

    const { handlers } = await bus.publishAndWait(Outer('a'))

    expect(handlers[0]).toMatchObject({ value: { failed: 1, handlers: [{ status: 'aborted', attempts: 0 }] } })
    expect(log).toEqual([])
  })
})

describe('depth', () => {
  const nesting = async (options: BusOptions, through: Through): Promise<Bus> => {
    const bus = await runningBus(options)
    bus.on(Deep, ({ payload }, context) =>
      payload > 0 ? through(bus, context).publishAndWait(Deep(payload - 1)) : 'bottom',
    )
    return bus
  }
  const errors = (bus: Bus): readonly unknown[] => bus.errors.map(({ error }) => error)

  it.each(ways)('R-PUB-3 nests through %s as deep as maxNestedWaits, and no deeper', async (_way, through) => {
    const bus = await nesting({ maxNestedWaits: 3 }, through)

    await bus.publishAndWait(Deep(3))
    expect(errors(bus)).toEqual([])
    await bus.publishAndWait(Deep(4))

    expect(errors(bus)).toMatchObject([
      { code: 'NESTED_WAIT_LIMIT', name: 'NestedWaitError', chain: Array(5).fill('deep') },
    ])
    expect((errors(bus)[0] as Error).message).toContain('deep > deep > deep > deep > deep')
  })

  it('R-PUB-3 allows 100 nested waits by default', async () => {
    const bus = await nesting({}, ways[0]![1])

    await bus.publishAndWait(Deep(100))
    expect(errors(bus)).toEqual([])
    await bus.publishAndWait(Deep(101))

    expect(errors(bus)).toMatchObject([{ code: 'NESTED_WAIT_LIMIT' }])
  })

  it('R-PUB-3 allows none with maxNestedWaits 0', async () => {
    const bus = await nesting({ maxNestedWaits: 0 }, ways[1]![1])

    await bus.publishAndWait(Deep(1))

    expect(errors(bus)).toMatchObject([{ code: 'NESTED_WAIT_LIMIT' }])
  })

  it('R-PUB-3 counts waits through commands', async () => {
    const bus = await runningBus({ maxNestedWaits: 3 })
    bus.handle(Do, async (_command, { publishAndWait }) => String((await publishAndWait(Outer('a'))).failed))
    bus.on(Outer, async (_event, { execute }) => execute(Do('a')))

    await bus.publishAndWait(Outer('a'))

    expect(bus.stats().commands).toEqual({ running: 0, succeeded: 3, failed: 1 })
    expect(bus.stats().settled).toBe(4)
  })

  it('R-PUB-3 adds no depth for publishes and schedules, so an agent loop may run for ever', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ clock, maxNestedWaits: 1 })
    let rounds = 0
    bus.on(Inner, () => 'observed')
    bus.on(Outer, async (_event, { publish, publishAndWait, schedule }) => {
      await publishAndWait(Inner('a'))
      const goOn = [() => publish(Outer('a')), () => schedule(Outer('a'), { delayMs: 1 })][rounds++ % 2]!
      await (rounds < 1000 && goOn())
    })
    void bus.publish(Outer('a'))

    await clock.advance(500)

    expect(rounds).toBe(1000)
    expect(bus.errors).toEqual([])
  })
})

describe('what does not count as nested', () => {
  /** A handler that leaves a task behind, which waits for an event of its lane when `go` is called. */
  const leaving = async (options: BusOptions = {}) => {
    const bus = await runningBus(options)
    const [go, slow] = [deferred(), deferred()]
    const log: string[] = []
    bus.on(Outer, () => {
      void go.promise.then(() => bus.publishAndWait(Inner('lane'))).then(() => log.push('waited for'))
    })
    bus.on(Inner, () => void log.push('inner'))
    bus.on(Busy, async ({ payload }) => {
      await slow.promise
      log.push(payload)
    })
    return { bus, go, slow, log }
  }

  it('R-PUB-3 queues what a detached task of an earlier handler waits for, while another handler of the lane runs', async () => {
    const { bus, go, slow, log } = await leaving()
    void bus.publish(Outer('lane'))
    void bus.publish(Busy('later handler'))
    await settle()
    go.resolve()
    await settle()

    expect(log).toEqual([])
    slow.resolve()
    await bus.idle()
    await settle()

    expect(log).toEqual(['later handler', 'inner', 'waited for'])
  })

  // Contexts are used again after 1,024 others: what that cannot tell apart is in docs/decisions/0002-async-context.md.
  it.each([1, 255, 256, 511, 1000])('R-PUB-3 queues it also after %d other handler calls', async (calls) => {
    const { bus, go, slow, log } = await leaving()
    bus.on(Deep, () => {})
    void bus.publish(Outer('lane'))
    for (let call = 0; call < calls; call++) void bus.publish(Deep(call))
    void bus.publish(Busy('later handler'))
    await settle()
    go.resolve()
    await settle()

    expect(log).toEqual([])
    slow.resolve()
    await bus.idle()
  })

  it('runs what a task of an earlier group of the same event waits for at once: a known limit, and no deadlock', async () => {
    // docs/decisions/0002-async-context.md: groups of one handler share the context of their event.
    const bus = await runningBus()
    const [go, slow] = [deferred(), deferred()]
    const log: string[] = []
    bus.on(Outer, () => void go.promise.then(() => bus.publishAndWait(Inner('a'))), { priority: 1 })
    bus.on(Outer, () => slow.promise.then(() => log.push('group two')), { priority: 2 })
    bus.on(Inner, () => void log.push('inner'))
    void bus.publish(Outer('a'))
    await settle()
    go.resolve()
    await settle()
    slow.resolve()
    await bus.idle()

    expect(log).toEqual(['inner', 'group two'])
  })

  it('R-PUB-3 queues it also while 300 other handlers are at work', async () => {
    const { bus, go, slow, log } = await leaving({ ...byPayload, concurrency: Infinity })
    for (let lane = 0; lane < 300; lane++) void bus.publish(Busy(String(lane)))
    await settle()
    void bus.publish(Outer('lane'))
    void bus.publish(Busy('lane'))
    await settle()
    go.resolve()
    await settle()

    expect(log).toEqual([])
    slow.resolve()
    await bus.idle()
  })

  it('R-PUB-3 queues what an aborted handler that runs on waits for', async () => {
    const bus = await runningBus()
    const controller = new AbortController()
    const [go, slow] = [deferred(), deferred()]
    const log: string[] = []
    bus.on(Outer, async () => {
      await go.promise
      await bus.publishAndWait(Inner('a'))
    })
    bus.on(Inner, () => void log.push('inner'))
    bus.on(Busy, () => slow.promise.then(() => log.push('busy')))
    const waiting = bus.publishAndWait(Outer('a'), { signal: controller.signal })
    await settle()
    controller.abort()
    await waiting
    void bus.publish(Busy('b'))
    await settle()
    go.resolve()
    await settle()

    expect(log).toEqual([])
    slow.resolve()
    await bus.idle()
    expect(log).toEqual(['busy', 'inner'])
  })

  it('R-PUB-3 queues what is published from outside while a handler runs', async () => {
    const { bus, slow, log } = await leaving()
    void bus.publish(Busy('running'))
    await settle()
    const waiting = bus.publishAndWait(Inner('a'))
    await settle()

    expect(log).toEqual([])
    slow.resolve()
    await waiting
    expect(log).toEqual(['running', 'inner'])
  })

  it('R-PUB-3 keeps two buses apart: a handler of one waits in the queue of the other', async () => {
    const { bus, slow, log } = await leaving()
    const other = await runningBus()
    other.on(Outer, async () => {
      await settle()
      await bus.publishAndWait(Inner('a'))
    })
    void bus.publish(Busy('running'))
    await settle()
    const waiting = other.publishAndWait(Outer('a'))

    expect(await stateOf(waiting)).toBe('pending')
    slow.resolve()
    await waiting
    expect(log).toEqual(['running', 'inner'])
  })

  it('R-PUB-3 is recognised in a bus that was made inside a handler of another', async () => {
    const bus = await runningBus()
    bus.on(Outer, async () => {
      const own = createBus({ logger: recordingLogger() })
      own.on(Outer, () => settle().then(() => own.publishAndWait(Inner('a'))))
      await own.start()
      return own.publishAndWait(Outer('b'))
    })

    const { handlers } = await bus.publishAndWait(Outer('a'))

    expect(handlers[0]).toMatchObject({ value: { failed: 0, handlers: [{ status: 'fulfilled' }] } })
  })

  it("R-PUB-3 leaves the user's own async context alone: handlers see that of the bus's making", async () => {
    const storage = new AsyncLocalStorage<string>()
    const bus = await storage.run('maker', () => runningBus())
    const seen: unknown[] = []
    bus.on(Outer, async () => {
      seen.push(storage.getStore())
      await settle()
      seen.push(storage.getStore())
    })

    await storage.run('publisher', () => bus.publishAndWait(Outer('a')))

    expect(seen).toEqual(['maker', 'maker'])
  })
})

describe('without the async context', () => {
  it('R-PUB-3 does not deadlock through context, at any depth and after awaits', async () => {
    const bus = await runningBus({ asyncContext: false, concurrency: 1 })
    bus.on(Deep, async ({ payload }, { publishAndWait, execute }) => {
      await settle()
      return [async () => 'bottom', () => publishAndWait(Deep(payload - 1)), () => execute(Do('a'))][
        Math.min(payload, 2)
      ]!()
    })
    bus.handle(Do, async (_command, { publishAndWait }) => String((await publishAndWait(Deep(1))).failed))

    const { handlers } = await bus.publishAndWait(Deep(2))

    expect(handlers[0]).toMatchObject({ value: { success: true, value: '0' } })
  })

  it('R-PUB-3 works through bus in the synchronous part of a handler', async () => {
    const bus = await runningBus({ asyncContext: false })
    bus.on(Outer, () => bus.publishAndWait(Inner('a')))

    expect((await bus.publishAndWait(Outer('a'))).failed).toBe(0)
  })

  it('R-PUB-3 does not recognise bus after an await: it waits for its turn, until it is aborted', async () => {
    const clock = new VirtualClock()
    const bus = await runningBus({ asyncContext: false, clock })
    bus.on(Outer, async () => {
      await settle()
      await bus.publishAndWait(Inner('a'))
    })
    const waiting = bus.publishAndWait(Outer('a'), { timeoutMs: 10 })
    await clock.advance(9)
    expect(await stateOf(waiting)).toBe('pending')

    await clock.advance(1)

    expect((await waiting).handlers[0]?.status).toBe('timed-out')
  })

  it('R-PUB-3 does not take what one handler starts synchronously for another: the call is restored', async () => {
    const bus = await runningBus({ asyncContext: false })
    const log: string[] = []
    bus.handle(Do, () => 'done')
    bus.on(Inner, () => void log.push('inner'))
    bus.on(Outer, async () => {
      const executing = bus.execute(Do('a'))
      const nested = bus.publishAndWait(Inner('a'))
      await executing
      await nested
      log.push('outer')
    })

    await bus.publishAndWait(Outer('a'))

    expect(log).toEqual(['inner', 'outer'])
  })

  it('R-PUB-3 takes a call from outside, after a handler returned, as one from outside', async () => {
    const bus = await runningBus({ asyncContext: false })
    const gate = deferred()
    const log: string[] = []
    bus.on(Busy, () => gate.promise.then(() => log.push('busy')))
    bus.on(Inner, () => void log.push('inner'))
    void bus.publish(Busy('a'))
    await settle()
    const waiting = bus.publishAndWait(Inner('b'))
    await settle()
    gate.resolve()
    await waiting

    expect(log).toEqual(['busy', 'inner'])
  })
})
