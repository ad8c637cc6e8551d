import { describe, expect, it } from 'vitest'
import {
  type Bus,
  BusError,
  type CommandScreen,
  createBus,
  defineCommand,
  defineEvent,
  type DeliveryLease,
  EventHandlerFailed,
  type Failure,
  type HandlerWrapper,
  type Plugin,
  type PluginHost,
  type Signals,
} from '../src/index.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { digits } from './support/schemas.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Job = defineEvent<number>('job')
const Work = defineCommand('work')
const Opened = defineEvent<string>('buslane.test.opened')

/** Lets a test hold the host of a plugin. */
const grab = (name = 'grab'): { plugin: Plugin; host: () => PluginHost } => {
  const hosts: PluginHost[] = []
  return { plugin: { name, install: (host) => void hosts.push(host) }, host: () => hosts[0]! }
}

/** A plugin that decides about failures. */
const deciding = (decide: (failure: Failure) => unknown): Plugin => ({
  name: 'decider',
  install: (host) => host.onFailure(decide as never),
})

describe('install', () => {
  it('R-REG-2 runs once, in the given order, while the bus is created', () => {
    const order: string[] = []
    const plugin = (name: string): Plugin => ({ name, install: () => void order.push(name) })
    createBus({ plugins: [plugin('a'), plugin('b'), plugin('c')] })
    expect(order).toEqual(['a', 'b', 'c'])
  })

  it('R-REG-2 keeps the `this` of a plugin that is an object of a class', () => {
    class Counting implements Plugin {
      readonly name = 'counting'
      installed = 0
      install(): void {
        this.installed++
      }
    }
    const plugin = new Counting()
    createBus({ plugins: [plugin] })
    expect(plugin.installed).toBe(1)
  })

  it('R-REG-2 one plugin may serve many buses', () => {
    let installed = 0
    const plugin: Plugin = { name: 'p', install: () => void installed++ }
    createBus({ plugins: [plugin] })
    createBus({ plugins: [plugin] })
    expect(installed).toBe(2)
  })

  it('R-REG-2 that throws makes createBus throw PLUGIN_FAILED with its name and the cause', () => {
    const cause = new Error('no licence')
    const plugin: Plugin = {
      name: 'picky',
      install: () => {
        throw cause
      },
    }
    expect(() => createBus({ plugins: [plugin] })).toThrow(
      expect.objectContaining({ code: 'PLUGIN_FAILED', cause, message: expect.stringContaining("'picky'") }),
    )
  })

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['an object without install', { name: 'empty' }],
    ['a function', () => undefined],
  ])('R-REG-2 %s is no plugin, which is a typed error', (_name, plugin) => {
    expect(() => createBus({ plugins: [plugin as never] })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/INVALID_ARGUMENT|PLUGIN_FAILED/) }),
    )
  })
})

describe('the host', () => {
  it('R-REG-2 offers command, event and publish middleware', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    const around: string[] = []
    const middleware = host().use({
      command: (_command, _context, next) => (around.push('command'), next()),
      event: (_event, _context, next) => (around.push('event'), next()),
      publish: (_event, next) => (around.push('publish'), next()),
    })
    const Do = defineCommand('do')
    bus.on(Job, () => undefined)
    bus.handle(Do, () => undefined)
    await bus.start()
    await bus.publishAndWait(Job(1))
    await bus.execute(Do())
    expect(around).toEqual(['publish', 'event', 'command'])
    middleware[Symbol.dispose]()
    await bus.publishAndWait(Job(1))
    expect(around).toHaveLength(3)
  })

  it('R-REG-2 offers observers', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    const told: unknown[] = []
    const observing = host().observe({ eventAccepted: ({ payload }) => void told.push(payload) })
    await bus.publish(Job(1))
    observing[Symbol.dispose]()
    await bus.publish(Job(2))
    expect(told).toEqual([1])
  })

  it('R-REG-2 gives it the clock and the logger of the bus', () => {
    const { plugin, host } = grab()
    const clock = new VirtualClock()
    const logger = recordingLogger()
    createBus({ clock, logger, plugins: [plugin] })
    expect(host().clock).toBe(clock)
    host().logger.info({ size: 1 }, 'hello')
    expect(logger.lines).toEqual([{ level: 'info', message: 'hello', fields: { size: 1 } }])
  })

  it('R-REG-2 R-SYS-1 publishSystem passes filters, middleware and the bound, and is counted apart', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin], queue: { capacity: 1, strategy: 'reject' } })
    const heard: string[] = []
    bus.filter(() => false)
    bus.use({ publish: () => undefined })
    bus.on(Opened, ({ payload }) => void heard.push(payload))
    for (const name of ['a', 'b', 'c']) host().publishSystem(Opened(name))
    expect(bus.stats()).toMatchObject({ offered: 0, queueSize: 3, system: { waiting: 3 } })
    await bus.start()
    await bus.idle()
    expect(heard).toEqual(['a', 'b', 'c'])
    expect(bus.stats()).toMatchObject({ offered: 0, settled: 0, system: { waiting: 0, settled: 3 } })
  })

  it('R-REG-2 publishSystem refuses what is no event', () => {
    const { plugin, host } = grab()
    createBus({ plugins: [plugin] })
    expect(() => host().publishSystem(undefined as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('onFailure', () => {
  it('R-REG-2 decides whether a failed handler runs again, after every attempt', async () => {
    const clock = new VirtualClock()
    const asked: unknown[] = []
    const bus = createBus({
      clock,
      logger: recordingLogger(),
      plugins: [
        deciding(({ handler, attempts, error, message }) => {
          asked.push([handler, attempts, (error as Error).message, message.type])
          return attempts < 3 ? { action: 'retry', delayMs: attempts * 100 } : { action: 'fail' }
        }),
      ],
    })
    const at: number[] = []
    bus.on(
      Job,
      () => {
        at.push(clock.monotonic())
        throw new Error(`try ${at.length}`)
      },
      { name: 'shaky' },
    )
    await bus.start()
    const outcome = bus.publishAndWait(Job(1))
    await clock.advance(1000)
    expect((await outcome).handlers).toMatchObject([{ status: 'rejected', attempts: 3, error: { message: 'try 3' } }])
    expect(at).toEqual([0, 100, 300])
    expect(asked).toEqual([
      ['shaky', 1, 'try 1', 'job'],
      ['shaky', 2, 'try 2', 'job'],
      ['shaky', 3, 'try 3', 'job'],
    ])
    expect(bus.errors).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })

  it('R-REG-2 only one plugin may decide: a second fails to install', () => {
    const decide = (): { action: 'fail' } => ({ action: 'fail' })
    expect(() => createBus({ plugins: [deciding(decide), { ...deciding(decide), name: 'second' }] })).toThrow(
      expect.objectContaining({ code: 'PLUGIN_FAILED', message: expect.stringContaining("'second'") }),
    )
  })

  it.each([
    [
      'throws',
      (): never => {
        throw new Error('undecided')
      },
    ],
    ['answers nothing', () => undefined],
    ['answers something else', () => ({ action: 'ponder' })],
    ['retries after NaN', () => ({ action: 'retry', delayMs: Number.NaN })],
    ['retries after nothing', () => ({ action: 'retry' })],
    ['answers later', async () => ({ action: 'retry', delayMs: 1 })],
  ])('R-ERR-1 a decider that %s makes the failure final, and harms nothing', async (_name, decide) => {
    const clock = new VirtualClock()
    const bus = createBus({ clock, logger: recordingLogger(), plugins: [deciding(decide)] })
    let runs = 0
    bus.on(Job, () => {
      runs++
      throw new Error('x')
    })
    await bus.start()
    const outcome = bus.publishAndWait(Job(1))
    await clock.advance(1000)
    await expect(outcome).resolves.toMatchObject({ failed: 1 })
    expect(runs).toBe(1)
    expect(bus.stats()).toMatchObject({ running: 0, handlerFailures: 1 })
  })

  it('R-REG-2 a negative delay is none', async () => {
    const clock = new VirtualClock()
    const decide = ({ attempts }: Failure): unknown =>
      attempts < 2 ? { action: 'retry', delayMs: -5 } : { action: 'fail' }
    const bus = createBus({ clock, logger: recordingLogger(), plugins: [deciding(decide)] })
    bus.on(Job, () => {
      throw new Error('x')
    })
    await bus.start()
    const outcome = bus.publishAndWait(Job(1))
    await clock.advance(0)
    await expect(outcome).resolves.toMatchObject({ handlers: [{ attempts: expect.any(Number), status: 'rejected' }] })
  })

  it('R-REG-2 the signal in the failure is that of the handler', async () => {
    const clock = new VirtualClock()
    const signals: AbortSignal[] = []
    const decide = ({ signal }: Failure): unknown => {
      signals.push(signal)
      return { action: 'retry', delayMs: 10_000 }
    }
    const bus = createBus({ clock, logger: recordingLogger(), plugins: [deciding(decide)] })
    bus.on(Job, (_event, { signal }) => {
      signals.push(signal)
      throw new Error('x')
    })
    await bus.start()
    const outcome = bus.publishAndWait(Job(1), { timeoutMs: 10 })
    await clock.advance(10)
    await expect(outcome).resolves.toMatchObject({ handlers: [{ status: 'timed-out', attempts: 1 }] })
    expect(new Set(signals).size).toBe(1)
    expect(signals[0]!.aborted).toBe(true)
  })
})

describe('what a plugin can ask', () => {
  it('R-REG-2 the name and the figures of its bus', () => {
    const { plugin, host } = grab()
    const bus = createBus({ name: 'desk', plugins: [plugin], queue: { strategy: 'reject' } })
    expect(host().name).toBe('desk')
    expect(host().stats()).toEqual(bus.stats())
    expect(host().stats().strategy).toBe('reject')
  })

  it('R-REG-2 handlers know their own name and priority from the context', async () => {
    const seen: unknown[] = []
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    host().use({
      event: (_event, { handler, priority }, next) => (seen.push([handler, priority]), next()),
      command: (_command, { handler }, next) => (seen.push(handler), next()),
    })
    bus.on(Job, () => undefined, { name: 'audit', priority: 10 })
    bus.handle(Work, () => undefined, { name: 'worker' })
    await bus.start()
    await bus.publishAndWait(Job(1))
    await bus.execute(Work())
    expect(seen).toEqual([['audit', 10], 'worker'])
  })
})

describe('onCall', () => {
  it.each<[string, (bus: Bus) => Promise<unknown>]>([
    ['publish', (bus) => bus.publish(Job(1))],
    ['publishAndWait', (bus) => bus.publishAndWait(Job(1))],
    ['schedule', (bus) => bus.schedule(Job(1), { delayMs: 1 })],
    ['execute', (bus) => bus.execute(Work())],
  ])('R-REG-2 runs before %s is looked at, until it is disposed of', async (_verb, call) => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    await bus.start()
    const observed: string[] = []
    const waiting = host().onCall(() => {
      waiting[Symbol.dispose]()
      host().observe({ eventAccepted: () => observed.push('event'), commandSettled: () => observed.push('command') })
    })
    await call(bus)
    await call(bus)
    expect(observed).toHaveLength(2)
    await bus.stop()
  })

  it('R-OBS-1 that throws is counted and harms nothing', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin], logger: recordingLogger() })
    host().onCall(() => {
      throw new Error('x')
    })
    await expect(bus.publish(Job(1))).resolves.toMatchObject({ status: 'accepted' })
    expect(bus.stats().observerErrors).toBe(1)
  })
})

describe('what a decider is told, and may say', () => {
  it('R-REG-2 a failure names the handler, what was published, and where it is', async () => {
    const clock = new VirtualClock()
    const failures: Failure[] = []
    const decide = (failure: Failure): unknown => {
      failures.push(failure)
      return failures.length < 2 ? { action: 'retry', delayMs: 1 } : { action: 'fail' }
    }
    const bus = createBus({ clock, logger: recordingLogger(), plugins: [deciding(decide)] })
    const Amount = defineEvent('amount', { schema: digits })
    const handler = (): never => {
      throw new Error('x')
    }
    bus.on(Amount, handler, { name: 'shaky' })
    await bus.start()
    await bus.publish(Amount('12'))
    await clock.advance(10)
    const [first, second] = failures
    expect(first).toMatchObject({
      message: { payload: 12 },
      input: { payload: '12' },
      definition: Amount,
      handler: 'shaky',
      registration: { type: 'amount', sessionId: 'BUS', name: 'shaky', options: { name: 'shaky' } },
      isStored: false,
      isQuiet: false,
    })
    expect(second?.context).toBe(first?.context)
    expect(second?.registration).toBe(first?.registration)
  })

  it('R-REG-2 of a command it is told the same', async () => {
    const failures: Failure[] = []
    const decide = (failure: Failure): unknown => {
      failures.push(failure)
      return { action: 'fail' }
    }
    const bus = createBus({ logger: recordingLogger(), plugins: [deciding(decide)] })
    const Pay = defineCommand('pay', { schema: digits })
    const handler = (): never => {
      throw new Error('x')
    }
    bus.handle(Pay, handler, { name: 'shaky' })
    await bus.execute(Pay('12'))
    expect(failures).toMatchObject([
      { message: { kind: 'command', payload: 12 }, input: { payload: '12' }, handler: 'shaky', definition: Pay },
    ])
  })

  it('R-ERR-3 a failure of a handler of a failure event is quiet', async () => {
    const quiet: boolean[] = []
    const decide = ({ isQuiet }: Failure): unknown => {
      quiet.push(isQuiet)
      return { action: 'fail' }
    }
    const bus = createBus({ logger: recordingLogger(), plugins: [deciding(decide)] })
    const fail = (): never => {
      throw new Error('x')
    }
    bus.on(Job, fail)
    bus.on(EventHandlerFailed, fail)
    await bus.start()
    await bus.publishAndWait(Job(1))
    await bus.idle()
    expect(quiet).toEqual([false, true])
  })

  it('R-ERR-2 what it gives in place of an error is what is kept, told and answered', async () => {
    const shown = new Error('redacted')
    const decide = (): unknown => ({ action: 'fail', error: shown })
    const logger = recordingLogger()
    const bus = createBus({ logger, plugins: [deciding(decide)] })
    const told: unknown[] = []
    bus.observe({ attemptFailed: (_event, _handler, { error }) => void told.push(error) })
    bus.on(Job, () => {
      throw new Error('secret')
    })
    await bus.start()
    const outcome = await bus.publishAndWait(Job(1))
    expect([
      ...told,
      bus.errors[0]?.error,
      ...outcome.handlers.flatMap((one) => ('error' in one ? one.error : [])),
    ]).toEqual([shown, shown, shown])
    expect(JSON.stringify(logger.lines)).not.toContain('secret')
  })

  it('R-ERR-2 what is discarded is a failure all the same', async () => {
    const bus = createBus({ logger: recordingLogger(), plugins: [deciding(() => ({ action: 'discard' }))] })
    bus.on(Job, () => {
      throw new Error('x')
    })
    await bus.start()
    await expect(bus.publishAndWait(Job(1))).resolves.toMatchObject({ failed: 1 })
    expect(bus.errors).toHaveLength(1)
  })
})

describe('wrap', () => {
  const wrapping = (wrapper: HandlerWrapper, name = 'wrapping'): Plugin => ({
    name,
    install: (host) => host.wrap(wrapper),
  })
  const told = (order: string[], who: string): HandlerWrapper => ({
    around:
      ({ kind, type, registration: { name } }, run) =>
      (message, context) => {
        order.push(`${who} ${kind} ${type} ${name}`)
        return run(message, context)
      },
  })

  it('R-REG-2 is around every handler, outside of middleware, in the order of installation, and changes no value', async () => {
    const order: string[] = []
    const bus = createBus({ plugins: [wrapping(told(order, 'outer')), wrapping(told(order, 'inner'), 'second')] })
    const Do = defineCommand<undefined, number>('do')
    bus.use({ event: (_event, _context, next) => (order.push('middleware'), next()) })
    bus.on(Job, () => 1, { name: 'one' })
    bus.onPattern('*', () => 2, { name: 'all' })
    bus.handle(Do, () => 3, { name: 'doer' })
    await bus.start()
    await expect(bus.publishAndWait(Job(1))).resolves.toMatchObject({ handlers: [{ value: 1 }, { value: 2 }] })
    await expect(bus.execute(Do())).resolves.toMatchObject({ value: 3 })
    expect(order).toEqual([
      'outer event job one',
      'inner event job one',
      'middleware',
      'outer event job all',
      'inner event job all',
      'middleware',
      'outer command do doer',
      'inner command do doer',
    ])
  })

  it('R-REG-2 runs of the handler itself are attempts; what does not come as far is none', async () => {
    const seen: number[] = []
    const around: HandlerWrapper['around'] = (_handler, run) => (message, context) => {
      seen.push(context.attempts)
      return run(message, context)
    }
    const bus = createBus({ plugins: [wrapping({ around })] })
    const attempts: number[] = []
    bus.on(Job, (_event, { attempt }) => void attempts.push(attempt))
    await bus.start()
    await bus.publishAndWait(Job(1))
    expect([seen, attempts]).toEqual([[0], [1]])
  })

  it('R-REG-2 may refuse a registration, and then nothing is registered', async () => {
    const accept: HandlerWrapper['accept'] = ({ kind, registration: { name } }) => {
      if (name === 'bad') throw new Error(`no ${kind} like that`)
    }
    const bus = createBus({ plugins: [wrapping({ accept, around: (_handler, run) => run })] })
    const Do = defineCommand('do')
    expect(() => bus.on(Job, () => undefined, { name: 'bad' })).toThrow('no event like that')
    expect(() => bus.handle(Do, () => undefined, { name: 'bad' })).toThrow('no command like that')
    await expect(bus.execute(Do())).resolves.toMatchObject({ error: { code: 'NO_HANDLER' } })
    expect(bus.stats().handlers).toMatchObject({ eventHandlers: 0, commandHandlers: 0 })
  })

  it('R-REG-2 of the same registration is told the same object', async () => {
    const registrations = new Set<object>()
    const around: HandlerWrapper['around'] = ({ registration }, run) => {
      registrations.add(registration)
      return run
    }
    const bus = createBus({ plugins: [wrapping({ around })] })
    bus.on(Job, () => undefined)
    await bus.start()
    for (let n = 0; n < 3; n++) {
      await bus.publishAndWait(Job(n))
      bus.onPattern('other.*', () => undefined) // plans are made anew
    }
    expect(registrations.size).toBe(1)
  })
})

describe('abort', () => {
  it('R-REG-2 raises the signal of one run, ends what it waits for, and the next attempt has a fresh one', async () => {
    const clock = new VirtualClock()
    const { plugin, host } = grab()
    const reason = new BusError('ABORTED', 'enough')
    const decider: Plugin = {
      name: 'decider',
      install: (host) =>
        host.onFailure(({ attempts }) => (attempts < 2 ? { action: 'retry', delayMs: 1 } : { action: 'fail' })),
    }
    const bus = createBus({ clock, logger: recordingLogger(), plugins: [plugin, decider] })
    const Inner = defineEvent('inner')
    const aborted: unknown[] = []
    bus.on(Inner, () => new Promise(() => undefined))
    bus.on(Job, async (_event, context) => {
      aborted.push(context.signal.aborted)
      const inner = context.publishAndWait(Inner())
      host().abort(context, reason)
      aborted.push(context.signal.reason === reason)
      ;(await inner).throwIfFailed()
    })
    await bus.start()
    const outcome = bus.publishAndWait(Job(1))
    await clock.advance(10)
    expect((await outcome).handlers).toMatchObject([{ status: 'rejected', attempts: 2 }])
    expect(aborted).toEqual([false, true, false, true])
  })
})

describe('onHealth', () => {
  it('R-REG-2 what a plugin warns of is part of the health', () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    let warnings = [{ code: 'CIRCUIT_OPEN', message: 'the bank is away' }]
    host().onHealth(() => warnings)
    expect(bus.health()).toMatchObject({ status: 'degraded', warnings })
    warnings = []
    expect(bus.health()).toMatchObject({ status: 'healthy', warnings: [] })
  })
})

describe('a failure that the handler did not throw', () => {
  const open = new BusError('CIRCUIT_OPEN', 'the circuit is open')
  it.each([
    ['the error of the result', open, { code: 'CIRCUIT_OPEN' }],
    ['the cause, if it is none of the bus', new Error('x'), { code: 'HANDLER_FAILED', cause: new Error('x') }],
  ])('R-ERR-1 is %s', async (_what, error, expected) => {
    const bus = createBus({
      plugins: [deciding(() => ({ action: 'fail', asIs: true, error }))],
      logger: recordingLogger(),
    })
    bus.handle(Work, () => {
      throw new Error('thrown')
    })
    await expect(bus.execute(Work())).resolves.toMatchObject({ success: false, error: expected })
  })
})

describe('redeliver', () => {
  const leaseFor = (handler: string, settled: unknown[]): DeliveryLease => ({
    parkAfterMs: Infinity,
    begin: () => true,
    check: () => true,
    earlier: (name) => (name === handler ? undefined : 'unknown'),
    attemptsOf: () => 0,
    handlerSettled: () => undefined,
    settle: async (outcomes) => void settled.push(...outcomes),
    release: async () => undefined,
    completeIn: async () => undefined,
  })

  it('R-REG-2 gives an event to the handlers that its lease names, beyond the bound, and counts it apart', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin], queue: { capacity: 1, strategy: 'reject' } })
    const ran: string[] = []
    const settled: unknown[] = []
    bus.filter(() => false)
    bus.on(Job, ({ payload }) => void ran.push(`a ${payload}`), { name: 'a' })
    bus.on(Job, ({ payload }) => void ran.push(`b ${payload}`), { name: 'b' })
    await host().redeliver(Job(1), leaseFor('b', settled))
    await host().redeliver(Job(2), leaseFor('a', settled))
    await bus.start()
    await bus.idle()
    expect(ran).toEqual(['b 1', 'a 2'])
    expect(settled).toMatchObject([
      { name: 'b', status: 'fulfilled' },
      { name: 'a', status: 'fulfilled' },
    ])
    expect(bus.stats()).toMatchObject({ offered: 0, settled: 0 })
  })

  it('R-REG-2 rejects what does not fit its schema', async () => {
    const { plugin, host } = grab()
    createBus({ plugins: [plugin] })
    const Amount = defineEvent('amount', { schema: digits })
    await expect(host().redeliver(Amount('a'), leaseFor('a', []))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  })
})

describe('signals', () => {
  const made = (): { signals: Signals; errors: () => number; lines: () => number } => {
    const { plugin, host } = grab()
    const logger = recordingLogger()
    const bus = createBus({ plugins: [plugin], logger })
    return { signals: host().signals, errors: () => bus.stats().observerErrors, lines: () => logger.lines.length }
  }

  it('R-REG-2 a report reaches every listener at once, until it is disposed of', () => {
    const { signals } = made()
    const heard: unknown[] = []
    const first = signals.observe((signal) => void heard.push(signal))
    signals.observe(({ value }) => void heard.push(value))
    signals.report('breaker.state', 1, { type: 'job' })
    first[Symbol.dispose]()
    signals.report('breaker.state', 0)
    expect(heard).toEqual([{ name: 'breaker.state', value: 1, attributes: { type: 'job' } }, 1, 0])
  })

  it('R-REG-2 a gauge is read when somebody asks', () => {
    const { signals } = made()
    let depth = 3
    const gauge = signals.gauge('queue.depth', () => depth, { lane: 'a' })
    signals.gauge('one', () => 1)
    depth = 5
    expect(signals.read()).toEqual([
      { name: 'queue.depth', value: 5, attributes: { lane: 'a' } },
      { name: 'one', value: 1, attributes: {} },
    ])
    gauge[Symbol.dispose]()
    expect(signals.read().map(({ name }) => name)).toEqual(['one'])
  })

  it('R-OBS-1 a listener or gauge that throws is counted and harms no other', async () => {
    const { signals, errors, lines } = made()
    const heard: number[] = []
    const angry = (): never => {
      throw new Error('x')
    }
    signals.observe(angry)
    // oxlint-disable-next-line no-misused-promises -- it compiles, so somebody will do it
    signals.observe(async () => angry())
    signals.observe(({ value }) => void heard.push(value))
    signals.gauge('broken', angry)
    signals.gauge('whole', () => 1)
    signals.report('a', 7)
    expect(signals.read().map(({ name }) => name)).toEqual(['whole'])
    await settle()
    expect(heard).toEqual([7])
    expect(errors()).toBe(3)
    expect(lines()).toBe(1)
  })
})

describe('screen', () => {
  const screening = (screen: CommandScreen): Plugin => ({ name: 'screening', install: (host) => host.screen(screen) })

  it('R-REG-2 lets a command go on, or answers it without its handler', async () => {
    const Add = defineCommand<number, number>('add')
    const bus = createBus({ plugins: [screening(({ payload }) => (payload === 1 ? undefined : Promise.resolve(7)))] })
    const seen: number[] = []
    bus.handle(Add, ({ payload }) => seen.push(payload))
    expect(await bus.execute(Add(1))).toMatchObject({ success: true, value: 1, attempts: 1 })
    expect(await bus.execute(Add(2))).toMatchObject({ success: true, value: 7, attempts: 0 })
    expect(seen).toEqual([1])
  })

  it('R-REG-2 what it rejects with, or throws, is the error of the result itself, and no failure of a handler', async () => {
    const decided: unknown[] = []
    const held = new BusError('HELD', 'not now')
    for (const refuse of [() => Promise.reject(held), () => expectThrown(held)]) {
      const bus = createBus({ plugins: [screening(refuse), deciding((failure) => void decided.push(failure))] })
      bus.handle(Work, () => {})
      expect(await bus.execute(Work())).toMatchObject({ success: false, error: held, attempts: 0 })
    }
    expect(decided).toEqual([])
  })

  it('R-REG-2 is told what was given, before it was parsed, and with what options', async () => {
    const Parsed = defineCommand('parsed', { schema: digits, version: 2, upcast: { 1: (old: unknown) => old } })
    const told: unknown[] = []
    const screen: CommandScreen = (command, { input, options, definition }) => {
      told.push([command.payload, input.payload, options, definition.type])
      return undefined
    }
    const bus = createBus({ plugins: [screening(screen)] })
    bus.handle(Parsed, () => {})
    await bus.execute(Parsed('12'), { timeoutMs: 5000 })
    expect(told).toEqual([[12, '12', { timeoutMs: 5000 }, 'parsed']])
  })

  it('R-REG-2 checks what it answers by the schema of results', async () => {
    const Checked = defineCommand('checked', { resultSchema: digits })
    const bus = createBus({ plugins: [screening(() => Promise.resolve('12'))] })
    bus.handle(Checked, () => 0)
    expect(await bus.execute(Checked())).toMatchObject({ success: true, value: 12 })
  })

  it('R-REG-2 its signal is raised when the call is over', async () => {
    const clock = new VirtualClock()
    const signals: AbortSignal[] = []
    const screen: CommandScreen = (_command, { context }) => {
      signals.push(context.signal)
      return new Promise(() => {})
    }
    const bus = createBus({ clock, plugins: [screening(screen)] })
    bus.handle(Work, () => {})
    const result = bus.execute(Work(), { timeoutMs: 100 })
    await clock.advance(100)
    expect(await result).toMatchObject({ error: { code: 'TIMED_OUT' } })
    expect(signals[0]?.aborted).toBe(true)
  })

  it('R-REG-2 only one plugin may: a second fails to install', () => {
    const none = screening(() => undefined)
    expect(() => createBus({ plugins: [none, none] })).toThrow('screens commands already')
  })
})

describe('on and hears', () => {
  it('R-REG-2 a plugin handles events, and knows whether somebody else does', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    expect(host().hears(Job.type)).toBe(false)
    const seen: number[] = []
    const registration = host().on(Job, ({ payload }) => void seen.push(payload), { name: 'plugin' })
    expect(host().hears(Job.type)).toBe(true)
    await bus.start()
    await bus.publishAndWait(Job(1))
    registration[Symbol.dispose]()
    expect([seen, host().hears(Job.type)]).toEqual([[1], false])
    const own = bus.on(Job, () => {})
    bus.onPattern('*', () => {})
    expect(host().hears(Job.type)).toBe(true)
    own.remove()
    expect(host().hears(Job.type)).toBe(false)
  })

  it('R-REG-2 commands are heard too, of the bus and of sessions, until they end', async () => {
    const { plugin, host } = grab()
    const bus = createBus({ plugins: [plugin] })
    const registration = bus.handle(Work, () => {})
    expect(host().hears(Work.type)).toBe(true)
    registration.remove()
    expect(host().hears(Work.type)).toBe(false)
    const session = bus.session('chat')
    const own = session.handle(Work, () => {})
    expect(host().hears(Work.type)).toBe(true)
    await session.end()
    own.remove()
    expect(host().hears(Work.type)).toBe(false)
  })
})

const expectThrown = (error: unknown): never => {
  throw error
}
