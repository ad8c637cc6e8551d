import { describe, expect, it } from 'vitest'
import {
  type Bus,
  createBus,
  defineCommand,
  defineEvent,
  EventHandlerFailed,
  type Plugin,
  SessionEnded,
} from '../src/index.ts'
import { imbalance } from './support/accounting.ts'
import { deferred } from './support/deferred.ts'
import { failureOf } from './support/failure.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { anything, later } from './support/schemas.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Job = defineEvent<number>('job')
const Inner = defineEvent<number>('inner')
const Do = defineCommand<number, number>('do')

const running = async (): Promise<{ bus: Bus; clock: VirtualClock; done: number[] }> => {
  const clock = new VirtualClock()
  const bus = createBus({ clock, logger: recordingLogger() })
  const done: number[] = []
  await bus.start()
  return { bus, clock, done }
}

/** A plugin that writes down when it is started and stopped. */
const noting = (name: string, log: string[], more: Partial<Record<'start' | 'stop', () => void>> = {}): Plugin => ({
  name,
  install: (host) => {
    log.push(`install ${name}`)
    host.onStart(() => {
      log.push(`start ${name}`)
      more.start?.()
    })
    host.onStop(() => {
      log.push(`stop ${name}`)
      more.stop?.()
    })
  },
})

describe('R-PUB-5 a handler that publishes when it is aborted', () => {
  it.each([1, 2, 3])(
    'and whose events do the same, %i at a time, leaves nothing that stop() does not tell of',
    async (times) => {
      const clock = new VirtualClock()
      const bus = createBus({ clock, logger: recordingLogger() })
      await bus.start()
      const accepted: string[] = []
      const refused: string[] = []
      bus.on(Job, (_event, { signal, publish }) => {
        signal.addEventListener('abort', () => {
          for (let n = 0; n < times; n++) {
            publish(Job(2)).then(
              ({ id }) => accepted.push(id),
              ({ code }) => refused.push(code as string),
            )
          }
        })
        return new Promise(() => {})
      })
      accepted.push((await bus.publish(Job(1))).id)
      await settle()
      const stopped = bus.stop({ timeoutMs: 10 })
      await clock.advance(5000)
      const { left } = await stopped
      await settle()
      expect(left.map(({ id }) => id).sort()).toEqual(accepted.sort())
      expect(new Set(refused)).toEqual(new Set(['BUS_STOPPED']))
      expect(bus.stats()).toMatchObject({ running: 0, waiting: 0, lanes: { active: 0 } })
    },
  )
})

describe('start', () => {
  it('goes through its states', async () => {
    const bus = createBus({ plugins: [{ name: 'wait', install: (host) => host.onStart(() => gate.promise) }] })
    const gate = deferred()
    const states = [bus.state]
    const start = bus.start()
    await settle()
    states.push(bus.state)
    gate.resolve()
    await start
    states.push(bus.state)
    const stop = bus.stop()
    await settle()
    states.push(bus.state)
    await stop
    expect(states).toEqual(['created', 'starting', 'running', 'stopped'])
  })

  it('fault 6: R-PUB-2 handles what was published before it, in order, also with plugins that take their time', async () => {
    const gate = deferred()
    const done: number[] = []
    const bus = createBus({
      plugins: [
        { name: 'resilient', install: (host) => host.onFailure(() => ({ action: 'fail' })) },
        { name: 'slow', install: (host) => host.onStart(() => gate.promise) },
      ],
    })
    bus.on(Job, ({ payload }) => void done.push(payload))
    await bus.publish(Job(1))
    await bus.publish(Job(2))
    const start = bus.start()
    await settle()
    await bus.publish(Job(3))
    expect(bus.stats()).toMatchObject({ state: 'starting', buffered: 3, waiting: 3 })
    expect(done).toEqual([])
    gate.resolve()
    await start
    await bus.idle()
    expect(done).toEqual([1, 2, 3])
    expect(bus.stats().buffered).toBe(0)
  })

  it('R-REG-2 starts plugins in the order of installation and stops them in reverse, each hook once', async () => {
    const log: string[] = []
    const bus = createBus({ plugins: ['a', 'b', 'c'].map((name) => noting(name, log)) })
    await bus.start()
    await bus.start()
    await bus.stop()
    await bus.stop()
    expect(log).toEqual([
      'install a',
      'install b',
      'install c',
      'start a',
      'start b',
      'start c',
      'stop c',
      'stop b',
      'stop a',
    ])
  })

  it('R-REG-2 stops what had started when a plugin fails to start, and can be tried again', async () => {
    const log: string[] = []
    let healthy = false
    const moody = noting('b', log, { start: () => expect(healthy, 'moody').toBe(true) })
    const bus = createBus({ plugins: [noting('a', log), moody, noting('c', log)] })
    log.length = 0
    bus.on(Job, ({ payload }) => void log.push(`job ${payload}`))
    await bus.publish(Job(1))
    await expect(bus.start()).rejects.toMatchObject({
      code: 'PLUGIN_FAILED',
      message: expect.stringContaining("'b'"),
      cause: expect.any(Error),
    })
    expect(log).toEqual(['start a', 'start b', 'stop a'])
    expect(bus.state).toBe('created')
    expect(bus.stats().buffered).toBe(1)
    healthy = true
    await bus.start()
    await bus.idle()
    expect(log.slice(3)).toEqual(['start a', 'start b', 'start c', 'job 1'])
    await bus.stop()
  })
})

describe('stop', () => {
  it('C-73 fault 5: R-STOP-1 finishes what runs and what is queued', async () => {
    const { bus, clock, done } = await running()
    bus.on(Job, async ({ payload }) => {
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 10))
      done.push(payload)
    })
    for (let n = 0; n < 5; n++) void bus.publish(Job(n))
    const stop = bus.stop({ timeoutMs: 1000 })
    await clock.advance(100)
    await expect(stop).resolves.toEqual({ finished: 5, aborted: 0, released: 0, left: [] })
    expect(done).toEqual([0, 1, 2, 3, 4])
    expect(clock.pendingTimers).toBe(0)
  })

  it('C-73 C-78 fault 5: R-PUB-5 reports what it could not finish: running, waiting, scheduled, and in which session', async () => {
    const { bus, clock } = await running()
    const reasons: unknown[] = []
    bus.on(Job, (_event, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return deferred().promise
    })
    const [runs, waits, later_, owned] = [Job(1), Job(2), Job(3), Job(4)]
    await bus.publish(runs)
    await bus.publish(waits)
    await bus.schedule(later_, { delayMs: 100_000 })
    const session = bus.session('chat')
    await session.schedule(owned, { delayMs: 100_000 })
    const stop = bus.stop({ timeoutMs: 500 })
    await clock.advance(5000)
    const report = await stop
    expect(report).toMatchObject({ finished: 0, aborted: 1, released: 0 })
    expect(report.left.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([
      { id: runs.id, type: 'job', sessionId: 'BUS', reason: 'aborted' },
      { id: waits.id, type: 'job', sessionId: 'BUS', reason: 'waiting' },
      { id: later_.id, type: 'job', sessionId: 'BUS', reason: 'scheduled' },
      { id: owned.id, type: 'job', sessionId: 'chat', reason: 'scheduled' },
    ])
    expect(reasons).toMatchObject([{ code: 'BUS_STOPPED' }])
    expect(bus.stats()).toMatchObject({ leftAtStop: 1, settled: 1, waiting: 0, running: 0, scheduled: 0 })
    expect(clock.pendingTimers).toBe(0)
  })

  it('C-73 C-74 R-STOP-1 waits for timeoutMs and no longer: 10 seconds by default', async () => {
    const { bus, clock } = await running()
    bus.on(Job, () => deferred().promise)
    await bus.publish(Job(1))
    let stopped = false
    const stop = bus.stop().then(() => (stopped = true))
    await clock.advance(9999)
    expect(stopped).toBe(false)
    await clock.advance(2)
    await stop
    expect(bus.state).toBe('stopped')
  })

  it('C-74 R-STOP-1 raises no signal before the deadline', async () => {
    const { bus, clock } = await running()
    const raisedAt: number[] = []
    bus.on(Job, async (_event, { signal }) => {
      signal.addEventListener('abort', () => raisedAt.push(clock.monotonic()))
      await deferred().promise
    })
    await bus.publish(Job(1))
    await settle()
    const begunAt = clock.monotonic()
    const stop = bus.stop({ timeoutMs: 3000 })
    await clock.advance(5000)
    await stop
    expect(raisedAt).toEqual([begunAt + 3000])
  })

  it('R-STOP-1 with a timeout of 0 aborts at once', async () => {
    const { bus, clock } = await running()
    bus.on(Job, () => deferred().promise)
    const outcome = bus.publishAndWait(Job(1))
    await settle()
    const stop = bus.stop({ timeoutMs: 0 })
    await clock.advance(0)
    await expect(stop).resolves.toMatchObject({ aborted: 1 })
    await expect(outcome).resolves.toMatchObject({ handlers: [{ status: 'aborted', error: { code: 'BUS_STOPPED' } }] })
  })

  it('R-STOP-1 with an endless timeout waits as long as it takes', async () => {
    const { bus, clock } = await running()
    const gate = deferred()
    bus.on(Job, () => gate.promise)
    await bus.publish(Job(1))
    const stop = bus.stop({ timeoutMs: Infinity })
    await clock.advance(1e9)
    expect(bus.state).toBe('stopping')
    gate.resolve()
    await expect(stop).resolves.toMatchObject({ finished: 1, aborted: 0 })
  })

  it('R-STOP-1 counts an aborted command as aborted, and nothing as finished', async () => {
    const { bus, clock } = await running()
    bus.handle(Do, () => deferred<number>().promise)
    const result = bus.execute(Do(1))
    const stop = bus.stop({ timeoutMs: 5 })
    await clock.advance(5000)
    await expect(stop).resolves.toEqual({ finished: 0, aborted: 1, released: 0, left: [] })
    await expect(result).resolves.toMatchObject({ success: false, error: { code: 'BUS_STOPPED' } })
  })

  it('R-STOP-1 counts events that it aborted inside another as aborted, and lists them', async () => {
    const { bus, clock } = await running()
    bus.on(Job, (_event, context) => context.publishAndWait(Inner(1)))
    bus.on(Inner, () => deferred().promise)
    await bus.publish(Job(1))
    await settle()
    const stop = bus.stop({ timeoutMs: 5 })
    await clock.advance(5000)
    const report = await stop
    expect(report).toMatchObject({ finished: 0, aborted: 2 })
    expect(report.left.map(({ type, reason }) => `${type} ${reason}`).toSorted()).toEqual([
      'inner aborted',
      'job aborted',
    ])
  })

  it('R-STOP-1 counts no system event as finished', async () => {
    const { bus } = await running()
    bus.on(EventHandlerFailed, () => undefined)
    bus.on(SessionEnded, () => undefined)
    bus.on(Job, async () => {
      await settle()
      throw new Error('x')
    })
    bus.session('chat')
    void bus.publish(Job(1))
    await expect(bus.stop()).resolves.toEqual({ finished: 1, aborted: 0, released: 0, left: [] })
  })

  it('R-STOP-1 counts a system event whose handler hangs as aborted, and nothing twice', async () => {
    const { bus, clock } = await running()
    const gate = deferred()
    bus.on(SessionEnded, () => deferred().promise)
    bus.on(Job, () => gate.promise)
    bus.session('chat')
    void bus.publish(Job(1))
    const stop = bus.stop({ timeoutMs: 100 })
    await settle()
    gate.resolve()
    await clock.advance(5000)
    await expect(stop).resolves.toMatchObject({ finished: 1, aborted: 1, left: [] })
  })

  it('C-76 C-78 R-PUB-5 refuses outside work as soon as it began, and takes that of finishing handlers', async () => {
    const { bus, done } = await running()
    const gate = deferred()
    bus.on(Job, async ({ payload }, context) => {
      await gate.promise
      await context.publish(Inner(payload))
      await bus.publish(Inner(payload + 1))
    })
    bus.on(Inner, ({ payload }) => void done.push(payload))
    bus.handle(Do, () => 1)
    await bus.publish(Job(1))
    await settle()
    const stop = bus.stop()
    await settle()
    const stopping = { code: 'BUS_STOPPED' }
    await expect(bus.publish(Job(2))).rejects.toMatchObject(stopping)
    await expect(bus.publishAndWait(Job(2))).rejects.toMatchObject(stopping)
    await expect(bus.schedule(Job(2), { delayMs: 1 })).rejects.toMatchObject(stopping)
    await expect(bus.execute(Do(1))).resolves.toMatchObject({ success: false, error: stopping })
    gate.resolve()
    await expect(stop).resolves.toMatchObject({ finished: 3, left: [] })
    expect(done).toEqual([1, 2])
    expect(bus.stats().rejected).toBe(3)
  })

  it('R-PUB-5 a stopped bus refuses with a typed error that says what to do', async () => {
    const { bus } = await running()
    await bus.stop()
    await expect(bus.publish(Job(1))).rejects.toMatchObject({ code: 'BUS_STOPPED', message: /start it again/i })
    await expect(bus.execute(Do(1))).resolves.toMatchObject({ success: false, error: { code: 'BUS_STOPPED' } })
  })

  it('R-PUB-5 an event whose schema answers only after the bus has stopped is refused', async () => {
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(anything<number>(), answer.promise) })
    const bus = createBus()
    const publish = bus.publish(Slow(1))
    const refused = failureOf(publish)
    await bus.stop()
    answer.resolve()
    expect(await refused).toMatchObject({ code: 'BUS_STOPPED' })
    expect(bus.stats()).toMatchObject({ waiting: 0, rejected: 1 })
  })

  it('R-STOP-1 waits for an event whose schema has not answered yet', async () => {
    const answer = deferred()
    const Slow = defineEvent('slow', { schema: later(anything<number>(), answer.promise) })
    const { bus, done } = await running()
    bus.on(Slow, ({ payload }) => void done.push(payload))
    const publish = bus.publish(Slow(1)).then(
      ({ status }) => status,
      ({ code }) => code,
    )
    const stop = bus.stop()
    await settle()
    answer.resolve()
    const report = await stop
    // Accepted and handled, or refused: either way somebody was told.
    expect([`${await publish} ${done.length} ${report.finished}`]).toEqual([
      expect.stringMatching(/^(accepted 1 1|BUS_STOPPED 0 0)$/),
    ])
  })

  it('R-STOP-2 a bus that never started reports its buffer as left', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock })
    const event = Job(1, { sessionId: 'chat' })
    await bus.publish(event)
    const waiting = failureOf(bus.publishAndWait(Job(2)))
    const { left, finished, aborted } = await bus.stop()
    expect(await waiting).toMatchObject({ code: 'BUS_STOPPED' })
    expect({ finished, aborted }).toEqual({ finished: 0, aborted: 0 })
    expect(left).toHaveLength(2)
    expect(left).toContainEqual({ id: event.id, type: 'job', sessionId: 'chat', reason: 'waiting' })
    expect(clock.pendingTimers).toBe(0)
  })

  it('C-77 R-STOP-2 stopping twice, at once or later, does it once', async () => {
    const { bus } = await running()
    bus.on(Job, settle)
    void bus.publish(Job(1))
    const reports = await Promise.all([bus.stop(), bus.stop(), bus.stop()])
    expect(reports.map(({ finished }) => finished)).toEqual([1, 0, 0])
    await expect(bus.stop()).resolves.toEqual({ finished: 0, aborted: 0, released: 0, left: [] })
  })

  it('C-77 R-STOP-2 start and stop queue up, in the order of the calls', async () => {
    const log: string[] = []
    const bus = createBus({ plugins: [noting('p', log)] })
    log.length = 0
    await Promise.all([bus.start(), bus.stop(), bus.start(), bus.start(), bus.stop(), bus.start()])
    expect(log).toEqual(['start p', 'stop p', 'start p', 'stop p', 'start p'])
    expect(bus.state).toBe('running')
    await bus.stop()
  })

  it('R-STOP-2 a stopped bus starts again with its handlers, middleware and counts', async () => {
    const { bus, done } = await running()
    bus.on(Job, ({ payload }) => void done.push(payload))
    await bus.publish(Job(1))
    await bus.stop()
    await bus.start()
    await bus.publish(Job(2))
    await bus.idle()
    expect(done).toEqual([1, 2])
    expect(bus.stats()).toMatchObject({ offered: 2, settled: 2, state: 'running' })
    await bus.stop()
  })

  it('R-STOP-1 a failing stop hook is logged and stops nothing else', async () => {
    const log: string[] = []
    const logger = recordingLogger()
    const angry = noting('b', log, {
      stop: () => {
        throw new Error('stuck')
      },
    })
    const bus = createBus({ logger, plugins: [noting('a', log), angry] })
    await bus.start()
    await expect(bus.stop()).resolves.toMatchObject({ finished: 0 })
    expect(log.slice(-2)).toEqual(['stop b', 'stop a'])
    expect(logger.lines).toMatchObject([{ level: 'error', message: expect.stringContaining("'b'") }])
    expect(bus.state).toBe('stopped')
  })

  it('R-STOP-1 stops plugins only when the handlers have finished', async () => {
    const log: string[] = []
    const bus = createBus({ plugins: [noting('p', log)] })
    bus.on(Job, async () => {
      await settle()
      log.push('handled')
    })
    await bus.start()
    void bus.publish(Job(1))
    await bus.stop()
    expect(log.slice(-2)).toEqual(['handled', 'stop p'])
  })

  it('R-STOP-1 does not wait for the back-off of a failed handler beyond its deadline, and leaves no timer', async () => {
    const clock = new VirtualClock()
    const bus = createBus({
      clock,
      logger: recordingLogger(),
      plugins: [{ name: 'retry', install: (host) => host.onFailure(() => ({ action: 'retry', delayMs: 3_600_000 })) }],
    })
    bus.on(Job, () => Promise.reject(new Error('later')))
    bus.handle(Do, () => Promise.reject(new Error('later')))
    await bus.start()
    await bus.publish(Job(1))
    const result = bus.execute(Do(1))
    await settle()
    const stop = bus.stop({ timeoutMs: 100 })
    await clock.advance(2000)
    await expect(stop).resolves.toMatchObject({ finished: 0, aborted: 2 })
    await expect(result).resolves.toMatchObject({ success: false, error: { code: 'BUS_STOPPED' }, attempts: 1 })
    expect(clock.pendingTimers).toBe(0)
  })

  it('R-PUB-4 inside a handler does not wait for that handler', async () => {
    const { bus, done } = await running()
    let report: unknown
    bus.on(Job, async ({ payload }) => {
      report = await bus.stop()
      done.push(payload)
    })
    void bus.publish(Job(1))
    await settle()
    expect(report).toMatchObject({ aborted: 0 })
    expect(done).toEqual([1])
    expect(bus.state).toBe('stopped')
    expect(imbalance(bus.stats())).toBe(0)
  })

  it.each([-1, Number.NaN, '5'])('refuses a timeoutMs of %j', async (timeoutMs) => {
    const { bus } = await running()
    await expect(bus.stop({ timeoutMs: timeoutMs as number })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(bus.state).toBe('running')
  })

  it('await using stops the bus', async () => {
    const log: string[] = []
    {
      await using bus = createBus({ plugins: [noting('p', log)] })
      bus.on(Job, () => void log.push('handled'))
      await bus.start()
      void bus.publish(Job(1))
    }
    expect(log).toEqual(['install p', 'start p', 'handled', 'stop p'])
  })
})

describe('many buses', () => {
  it('R-STOP-2 live in one process and share nothing', async () => {
    const heard: string[] = []
    const buses = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const bus = createBus({ name: `bus-${n}` })
        bus.on(Job, ({ payload }) => void heard.push(`${bus.name}: ${payload}`))
        bus.handle(Do, () => n)
        bus.session('same')
        await bus.start()
        return bus
      }),
    )
    await buses[7]!.publish(Job(1))
    await buses[7]!.idle()
    expect(heard).toEqual(['bus-7: 1'])
    await expect(buses[9]!.execute(Do(0))).resolves.toMatchObject({ value: 9 })
    await buses[7]!.stop()
    await buses[8]!.publish(Job(2))
    await buses[8]!.idle()
    expect(heard).toEqual(['bus-7: 1', 'bus-8: 2'])
    expect(buses.filter(({ state }) => state === 'running')).toHaveLength(49)
    await Promise.all(buses.map((bus) => bus.stop()))
  })

  it('R-STOP-2 a handler of one bus may wait for another bus', async () => {
    const [outer, inner] = [createBus(), createBus()]
    inner.on(Inner, () => 'inner')
    outer.on(Job, async () => (await inner.publishAndWait(Inner(1))).handlers[0])
    await Promise.all([outer.start(), inner.start()])
    const { handlers } = await outer.publishAndWait(Job(1))
    expect(handlers).toMatchObject([{ value: { status: 'fulfilled', value: 'inner' } }])
    expect(inner.stats()).toMatchObject({ offered: 1, settled: 1 })
    await Promise.all([outer.stop(), inner.stop()])
  })

  it('C-77 500 starts and stops of one bus under load leak no timer and lose no count', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock, logger: recordingLogger() })
    bus.on(Job, () => undefined)
    bus.handle(Do, () => 1)
    for (let cycle = 0; cycle < 500; cycle++) {
      await bus.start()
      const session = bus.session('chat')
      await bus.schedule(Job(cycle), { delayMs: 1000 })
      await session.schedule(Job(cycle), { at: clock.now() + 1000 })
      void bus.publishAndWait(Job(cycle), { timeoutMs: 5000 })
      void bus.execute(Do(cycle), { timeoutMs: 5000 })
      await bus.stop()
    }
    expect(clock.pendingTimers).toBe(0)
    expect(bus.stats()).toMatchObject({ offered: 500, settled: 500, scheduled: 0, sessions: 0 })
    expect(bus.stats().commands).toEqual({ running: 0, succeeded: 500, failed: 0 })
  })

  it('500 buses leak no timer', async () => {
    const clock = new VirtualClock()
    for (let n = 0; n < 500; n++) {
      const bus = createBus({ clock })
      await bus.start()
      await bus.schedule(Job(1), { delayMs: 1000 })
      await bus.publish(Job(2))
      await bus.stop()
    }
    expect(clock.pendingTimers).toBe(0)
  })
})
