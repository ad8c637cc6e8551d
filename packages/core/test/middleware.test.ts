import { describe, expect, it } from 'vitest'
import {
  createBus,
  defineCommand,
  defineEvent,
  loggingMiddleware,
  type PublishNext,
  timingMiddleware,
  type TimingReport,
  unwrap,
} from '../src/index.ts'
import { imbalance } from './support/accounting.ts'
import { deferred } from './support/deferred.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Job = defineEvent<number>('job')
const Do = defineCommand<number, number>('do')

describe('around handlers', () => {
  it('runs once for each handler of an event, and once for a command, the first given outermost', async () => {
    const bus = createBus()
    const log: string[] = []
    const layer = (name: string) => ({
      event: async (_event: unknown, _context: unknown, next: () => unknown) => {
        log.push(`${name} in`)
        const value = await next()
        log.push(`${name} out ${String(value)}`)
        return value
      },
      command: async (_command: unknown, _context: unknown, next: () => unknown) => {
        log.push(`${name} command`)
        return next()
      },
    })
    bus.use(layer('a'))
    bus.use(layer('b'))
    bus.on(Job, () => 'one', { priority: 1 })
    bus.on(Job, () => 'two', { priority: 2 })
    bus.handle(Do, ({ payload }) => payload)
    await bus.start()
    await bus.publishAndWait(Job(1))
    expect(log.slice(0, 4)).toEqual(['a in', 'b in', 'b out one', 'a out one'])
    expect(log.slice(4)).toEqual(['a in', 'b in', 'b out two', 'a out two'])
    log.length = 0
    expect(unwrap(await bus.execute(Do(3)))).toBe(3)
    expect(log).toEqual(['a command', 'b command'])
  })

  it('also covers handlers that were registered before it, and ends when it is disposed of', async () => {
    const bus = createBus()
    let around = 0
    bus.on(Job, () => undefined)
    bus.handle(Do, () => 1)
    await bus.start()
    await bus.publishAndWait(Job(1))
    const middleware = bus.use({
      event: (_event, _context, next) => (around++, next()),
      command: (_command, _context, next) => (around++, next()),
    })
    await bus.publishAndWait(Job(1))
    await bus.execute(Do(1))
    expect(around).toBe(2)
    middleware[Symbol.dispose]()
    await bus.publishAndWait(Job(1))
    await bus.execute(Do(1))
    expect(around).toBe(2)
  })

  it('one that was added twice runs twice, and disposing of one leaves the other', async () => {
    const bus = createBus()
    let around = 0
    const middleware = { event: (_event: unknown, _context: unknown, next: () => unknown) => (around++, next()) }
    const first = bus.use(middleware)
    bus.use(middleware)
    bus.on(Job, () => undefined)
    await bus.start()
    await bus.publishAndWait(Job(1))
    expect(around).toBe(2)
    first[Symbol.dispose]()
    await bus.publishAndWait(Job(1))
    expect(around).toBe(3)
  })

  it('may change the value, or answer without the handler', async () => {
    const bus = createBus()
    let ran = 0
    bus.use({
      event: async (_event, _context, next) => `<${String(await next())}>`,
      command: () => 42,
    })
    bus.on(Job, () => 'value')
    bus.handle(Do, () => ++ran)
    await bus.start()
    expect((await bus.publishAndWait(Job(1))).handlers).toMatchObject([
      { status: 'fulfilled', value: '<value>', attempts: 1 },
    ])
    expect(await bus.execute(Do(1))).toMatchObject({ success: true, value: 42, attempts: 0 })
    expect(ran).toBe(0)
  })

  it('may call next again: each run is an attempt that the context counts', async () => {
    const bus = createBus()
    const attempts: number[] = []
    const retry = async (next: () => unknown): Promise<unknown> => {
      try {
        return await next()
      } catch {
        return next()
      }
    }
    bus.use({ event: (_event, _context, next) => retry(next), command: (_command, _context, next) => retry(next) })
    bus.on(Job, (_event, { attempt }) => {
      attempts.push(attempt)
      return attempt === 1 ? Promise.reject(new Error('flaky')) : 'ok'
    })
    bus.handle(Do, (_command, { attempt }) => (attempt === 1 ? Promise.reject(new Error('flaky')) : attempt))
    await bus.start()
    expect((await bus.publishAndWait(Job(1))).handlers).toMatchObject([
      { status: 'fulfilled', value: 'ok', attempts: 2 },
    ])
    expect(attempts).toEqual([1, 2])
    expect(await bus.execute(Do(1))).toMatchObject({ success: true, value: 2, attempts: 2 })
  })

  it('R-ERR-1 that throws fails that handler, and no other', async () => {
    const bus = createBus({ logger: recordingLogger() })
    bus.use({
      event: (_event, _context, next) => next(),
      command: () => {
        throw new Error('middleware')
      },
    })
    bus.use({
      event: ({ payload }, _context, next) => (payload === 1 ? Promise.reject(new Error('middleware')) : next()),
    })
    bus.on(Job, () => 'ok')
    bus.handle(Do, () => 1)
    await bus.start()
    expect((await bus.publishAndWait(Job(1))).handlers).toMatchObject([
      { status: 'rejected', error: { message: 'middleware' } },
    ])
    expect((await bus.publishAndWait(Job(2))).handlers).toMatchObject([{ status: 'fulfilled' }])
    expect(await bus.execute(Do(1))).toMatchObject({ success: false, error: { code: 'HANDLER_FAILED' } })
  })

  it('keeps its own `this`', async () => {
    const bus = createBus()
    class Counter {
      count = 0
      event(_event: unknown, _context: unknown, next: () => unknown): unknown {
        this.count++
        return next()
      }
      publish(_event: unknown, next: PublishNext): unknown {
        this.count++
        return next()
      }
    }
    const counter = new Counter()
    bus.use(counter)
    bus.on(Job, () => undefined)
    await bus.start()
    await bus.publishAndWait(Job(1))
    expect(counter.count).toBe(2)
  })
})

describe('around publishing', () => {
  const made = async () => {
    const bus = createBus({ logger: recordingLogger() })
    const handled: number[] = []
    bus.on(Job, ({ payload }) => void handled.push(payload))
    await bus.start()
    return { bus, handled }
  }

  it('accepts when next is called once, and gives it the receipt', async () => {
    const { bus, handled } = await made()
    const receipts: unknown[] = []
    bus.use({
      publish: async (_event, next) => {
        receipts.push(await next())
      },
    })
    const receipt = await bus.publish(Job(1))
    await bus.idle()
    expect(receipt).toMatchObject({ status: 'accepted' })
    expect(receipts).toEqual([receipt])
    expect(handled).toEqual([1])
  })

  it.each([
    ['at once', () => undefined],
    ['later', async () => settle()],
  ])('filters when next is not called (%s)', async (_name, publish) => {
    const { bus, handled } = await made()
    bus.use({ publish })
    await expect(bus.publish(Job(1))).resolves.toMatchObject({ status: 'filtered' })
    await expect(bus.publishAndWait(Job(1))).resolves.toMatchObject({ disposition: 'filtered' })
    await expect(bus.schedule(Job(1), { delayMs: 0 })).resolves.toMatchObject({ status: 'filtered' })
    await bus.idle()
    expect(handled).toEqual([])
    expect(bus.stats()).toMatchObject({ offered: 3, filtered: 3 })
  })

  it('accepts once when next is called twice, and answers the same', async () => {
    const { bus, handled } = await made()
    const receipts: unknown[] = []
    bus.use({ publish: async (_event, next) => void receipts.push(await next(), await next()) })
    await bus.publish(Job(1))
    await bus.idle()
    expect(receipts[1]).toEqual(receipts[0])
    expect(handled).toEqual([1])
    expect(bus.stats()).toMatchObject({ offered: 1, settled: 1 })
  })

  it.each([
    [
      'throws',
      (): never => {
        throw new Error('early')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('early'))],
    ['rejects later', async () => settle().then(() => Promise.reject(new Error('early')))],
  ])('refuses with FILTER_FAILED when it %s before next', async (_name, publish) => {
    const { bus, handled } = await made()
    bus.use({ publish })
    const refused = { code: 'FILTER_FAILED', cause: { message: 'early' } }
    await expect(bus.publish(Job(1))).rejects.toMatchObject(refused)
    await expect(bus.publishAndWait(Job(1))).rejects.toMatchObject(refused)
    await expect(bus.schedule(Job(1), { delayMs: 0 })).rejects.toMatchObject(refused)
    await bus.idle()
    expect(handled).toEqual([])
    expect(bus.stats()).toMatchObject({ offered: 3, rejected: 3 })
  })

  it.each([
    [
      'throws',
      (next: PublishNext): never => {
        void next()
        throw new Error('late')
      },
    ],
    [
      'rejects',
      async (next: PublishNext) => {
        await next()
        throw new Error('late')
      },
    ],
  ])('stays accepted when it %s after next: what happened is not taken back, but logged', async (_name, publish) => {
    const { bus, handled } = await made()
    bus.use({ publish: (_event, next) => publish(next) })
    await expect(bus.publish(Job(1))).resolves.toMatchObject({ status: 'accepted' })
    await expect(bus.publishAndWait(Job(2))).resolves.toMatchObject({ disposition: 'handled' })
    await settle()
    expect(handled).toEqual([1, 2])
    expect(imbalance(bus.stats())).toBe(0)
    expect(bus.stats()).toMatchObject({ offered: 2, rejected: 0 })
  })

  it('adds metadata, layer upon layer, and inner layers see it', async () => {
    const { bus } = await made()
    const seen: unknown[] = []
    bus.use({ publish: (_event, next) => next({ metadata: { a: 1, both: 'outer' } }) })
    bus.use({
      publish: async ({ metadata }, next) => {
        seen.push(metadata)
        await settle()
        return next({ metadata: { b: 2, both: 'inner' } })
      },
    })
    bus.on(Job, ({ metadata, id }) => void seen.push({ ...metadata, id }))
    const event = Job(1, { metadata: { own: true } })
    await bus.publishAndWait(event)
    expect(seen).toEqual([
      { own: true, a: 1, both: 'outer' },
      { own: true, a: 1, b: 2, both: 'inner', id: event.id },
    ])
    expect(event.metadata).toEqual({ own: true })
  })

  it('holds acceptance up while it waits, and idle with it', async () => {
    const { bus, handled } = await made()
    const gate = deferred()
    bus.use({
      publish: async (_event, next) => {
        await gate.promise
        return next()
      },
    })
    const publish = bus.publish(Job(1))
    let idle = false
    const waiting = bus.idle().then(() => (idle = true))
    await settle()
    expect(idle).toBe(false)
    gate.resolve()
    await publish
    await waiting
    expect(handled).toEqual([1])
  })

  it('R-PUB-1 accepts before the call returns when it calls next at once', () => {
    const bus = createBus()
    bus.use({ publish: (_event, next) => next() })
    void bus.publish(Job(1))
    expect(bus.stats().waiting).toBe(1)
  })

  it('sees that the queue is full, and cannot hide it', async () => {
    const bus = createBus({ queue: { capacity: 1, strategy: 'reject' } })
    const seen: unknown[] = []
    bus.use({ publish: async (_event, next) => next().catch((error: unknown) => void seen.push(error)) })
    await bus.publish(Job(1))
    await expect(bus.publish(Job(2))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    expect(seen).toMatchObject([{ code: 'QUEUE_FULL' }])
    expect(bus.stats()).toMatchObject({ offered: 2, rejected: 1 })
  })

  it('gets the receipt of what the queue dropped', async () => {
    const bus = createBus({ queue: { capacity: 1, strategy: 'drop-newest' } })
    const seen: string[] = []
    bus.use({ publish: async (_event, next) => seen.push((await next()).status) })
    await bus.publish(Job(1))
    await expect(bus.publish(Job(2))).resolves.toMatchObject({ status: 'dropped' })
    await settle()
    expect(seen).toEqual(['accepted', 'dropped'])
  })

  it('that calls next without waiting, around one that waits, never gives an event that is filtered and handled', async () => {
    const { bus, handled } = await made()
    bus.use({ publish: (_event, next) => void next() })
    bus.use({
      publish: async (_event, next) => {
        await settle()
        return next()
      },
    })
    const { status } = await bus.publish(Job(1))
    await settle()
    await settle()
    await bus.idle()
    expect([`${status} ${handled.length}`]).toEqual([expect.stringMatching(/^(accepted 1|filtered 0)$/)])
    expect(bus.stats().offered).toBe(1)
  })

  it('that calls next after it was filtered changes nothing', async () => {
    const { bus, handled } = await made()
    const kept: PublishNext[] = []
    bus.use({ publish: (_event, next) => void kept.push(next) })
    await expect(bus.publish(Job(1))).resolves.toMatchObject({ status: 'filtered' })
    await expect(kept[0]!()).resolves.toMatchObject({ status: 'filtered' })
    await bus.idle()
    expect(handled).toEqual([])
    expect(bus.stats()).toMatchObject({ offered: 1, filtered: 1 })
  })

  it('runs once for a scheduled event, when it is scheduled', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock })
    let runs = 0
    bus.use({ publish: (_event, next) => (runs++, next()) })
    await bus.start()
    await bus.schedule(Job(1), { delayMs: 10 })
    expect(runs).toBe(1)
    await clock.advance(10)
    expect(runs).toBe(1)
    expect(bus.stats().settled).toBe(1)
  })
})

describe('shipped middleware', () => {
  it('loggingMiddleware logs every run, at debug or info, and failures as warnings', async () => {
    const logger = recordingLogger()
    const bus = createBus({ logger: recordingLogger() })
    const verbose = bus.use(loggingMiddleware({ logger }))
    bus.on(Job, ({ payload }) => (payload === 1 ? 'ok' : Promise.reject(new Error('bad luck'))))
    bus.handle(Do, () => 1)
    await bus.start()
    const event = Job(1, { sessionId: 'chat' })
    await bus.publishAndWait(event)
    await bus.publishAndWait(Job(2))
    await bus.execute(Do(1))
    verbose[Symbol.dispose]()
    bus.use(loggingMiddleware({ logger, level: 'info' }))
    await bus.execute(Do(1))
    expect(logger.lines).toMatchObject([
      { level: 'debug', message: "Handled 'job'", fields: { id: event.id, sessionId: 'chat', attempt: 1 } },
      { level: 'warn', message: expect.stringMatching(/'job'.*bad luck/), fields: { error: expect.any(Error) } },
      { level: 'debug', message: "Handled 'do'" },
      { level: 'info', message: "Handled 'do'" },
    ])
  })

  it('timingMiddleware reports how long every run took, and whether it failed', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock, logger: recordingLogger() })
    const reports: TimingReport[] = []
    bus.use(timingMiddleware((report) => void reports.push(report), clock))
    bus.on(Job, ({ payload }) => {
      clock.elapse(payload)
      return payload === 5 ? 'ok' : Promise.reject(new Error('x'))
    })
    bus.handle(Do, () => (clock.elapse(9), 1))
    await bus.start()
    await bus.publishAndWait(Job(5))
    await bus.publishAndWait(Job(7))
    await bus.execute(Do(1))
    expect(reports.map(({ kind, durationMs, failed, message }) => [kind, message.type, durationMs, failed])).toEqual([
      ['event', 'job', 5, false],
      ['event', 'job', 7, true],
      ['command', 'do', 9, false],
    ])
  })
})
