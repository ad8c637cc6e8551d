import { describe, expect, it, vi } from 'vitest'
import { type BusOptions, createBus, defineCommand, defineEvent, systemClock } from '../src/index.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle } from './support/virtual-clock.ts'

const Job = defineEvent<number>('job')

describe('createBus', () => {
  it('needs no options', async () => {
    const bus = createBus()
    let ran = 0
    bus.on(Job, () => void ran++)
    await bus.start()
    await bus.publishAndWait(Job(1))
    await bus.stop()
    expect(ran).toBe(1)
    expect(bus.name).toBe('bus')
  })

  it('takes undefined for every option', () => {
    const names =
      'name registry plugins clock logger queue concurrency lane ageingMs onGroupFailure errorHistoryLimit maxNestedWaits asyncContext'
    const bus = createBus(Object.fromEntries(names.split(' ').map((name) => [name, undefined])))
    expect(bus.stats()).toMatchObject({ name: 'bus', capacity: 10_000, lanes: { concurrency: 100 } })
  })

  it.each([
    ['concurrency', { concurrency: 0 }],
    ['concurrency', { concurrency: 1.5 }],
    ['concurrency', { concurrency: Number.NaN }],
    ['concurrency', { concurrency: '4' }],
    ['ageingMs', { ageingMs: -1 }],
    ['ageingMs', { ageingMs: Number.NaN }],
    ['maxNestedWaits', { maxNestedWaits: -1 }],
    ['queue.capacity', { queue: { capacity: 0 } }],
    ['queue.capacity', { queue: { capacity: 2.5 } }],
    ['queue.capacity', { queue: { capacity: -Infinity } }],
    ['queue.strategy', { queue: { strategy: 'drop' } }],
    ['WaterMark', { queue: { highWaterMark: 1.1 } }],
    ['WaterMark', { queue: { lowWaterMark: -0.1 } }],
    ['WaterMark', { queue: { highWaterMark: 0.3 } }],
    ['WaterMark', { queue: { highWaterMark: Number.NaN } }],
    ['onGroupFailure', { onGroupFailure: 'explode' }],
    ['lane', { lane: 'orders' }],
    ['errorHistoryLimit', { errorHistoryLimit: -1 }],
    ['errorHistoryLimit', { errorHistoryLimit: 1.5 }],
  ])('refuses a bad %s with INVALID_ARGUMENT that names it: %j', (name, options) => {
    expect(() => createBus(options as BusOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
    )
  })

  it.each([
    { concurrency: Infinity },
    { ageingMs: Infinity },
    { ageingMs: 0 },
    { maxNestedWaits: 0 },
    { queue: { capacity: Infinity } },
    { queue: { highWaterMark: 1, lowWaterMark: 1 } },
    { queue: { highWaterMark: 0, lowWaterMark: 0 } },
    { errorHistoryLimit: 0 },
    { errorHistoryLimit: Infinity },
  ])('takes the bounds: %j', async (options) => {
    const bus = createBus(options)
    let ran = 0
    bus.on(Job, () => void ran++)
    await bus.start()
    await Promise.all([1, 2, 3].map((n) => bus.publish(Job(n))))
    await bus.idle()
    await bus.stop()
    expect(ran).toBe(3)
  })

  it('refuses a registration whose priority is no finite number', () => {
    const bus = createBus()
    for (const priority of [Number.NaN, Infinity, -Infinity, '1', null]) {
      expect(() => bus.on(Job, () => undefined, { priority: priority as number })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('priority') }),
      )
    }
  })

  it.each([Number.NaN, Infinity, '1'])('refuses an event priority of %s', async (priority) => {
    const bus = createBus()
    const options = { priority: priority as number }
    await expect(bus.publish(Job(1), options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(bus.publishAndWait(Job(1), options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it.each([-1, Number.NaN, '5'])('refuses a publishAndWait timeoutMs of %j', async (timeoutMs) => {
    const bus = createBus()
    await expect(bus.publishAndWait(Job(1), { timeoutMs: timeoutMs as number })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('refuses plugins that are no list', () => {
    expect(() => createBus({ plugins: { name: 'alone', install() {} } as never })).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('plugins must be an array'),
      }),
    )
  })

  it('names the message that is of the wrong kind', async () => {
    const Do = defineCommand('do')
    await using bus = createBus()
    await expect(bus.publish(Do() as never)).rejects.toThrow("Expected an event, not the command 'do'")
  })

  it('R-DUR-13 refuses a second handler of one name of a durable type, in each scope, until the first is removed', async () => {
    const Durable = defineEvent('durable', { durable: true })
    await using bus = createBus()
    const named = { name: 'ship' }
    const first = bus.on(Durable, () => {}, named)
    const taken = expect.objectContaining({
      code: 'HANDLER_EXISTS',
      message: expect.stringContaining("'ship'") as string,
    })
    expect(() => bus.on(Durable, () => {}, named)).toThrow(taken)
    const session = bus.session('s')
    session.on(Durable, () => {}, named)
    expect(() => session.on(Durable, () => {}, named)).toThrow(taken)
    first.remove()
    bus.on(Durable, () => {}, named)
  })

  it('R-DUR-13 refuses a handler of a durable type without a name, or with once', () => {
    const Kept = defineEvent('kept', { durable: true })
    const bus = createBus()
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining("'kept'") })
    expect(() => bus.on(Kept, () => undefined, undefined as never)).toThrow(refused)
    expect(() => bus.on(Kept, () => undefined, {} as never)).toThrow(refused)
    expect(() => bus.on(Kept, () => undefined, { name: 'a', once: true } as never)).toThrow(refused)
    expect(() => bus.on(Kept, () => undefined, { name: 'a' })).not.toThrow()
  })

  it('more nested waits than allowed are a typed error that prints them', async () => {
    const Deep = defineEvent<number>('deep')
    const bus = createBus({ maxNestedWaits: 3 })
    const errors: unknown[] = []
    bus.on(Deep, ({ payload }, context) =>
      context.publishAndWait(Deep(payload + 1)).then(
        () => undefined,
        (error: unknown) => void errors.push(error),
      ),
    )
    await bus.start()
    await bus.publishAndWait(Deep(0))
    expect(errors).toMatchObject([
      {
        code: 'NESTED_WAIT_LIMIT',
        chain: Array.from({ length: 5 }, () => 'deep'),
        message: expect.stringContaining('deep > deep'),
      },
    ])
  })
})

describe('defaults', () => {
  it('the system clock is the time of the machine, and its timers can be cleared', async () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000)
    const before = systemClock.monotonic()
    const fired: string[] = []
    const cleared = systemClock.setTimer(() => fired.push('cleared'), 0)
    systemClock.clearTimer(cleared)
    await new Promise<void>((resolve) => void systemClock.setTimer(resolve, 1))
    expect(fired).toEqual([])
    expect(systemClock.monotonic()).toBeGreaterThan(before)
  })

  it('R-ERR-5 the logger is the console, from warnings up', async () => {
    const levels = ['debug', 'info', 'warn', 'error'] as const
    const spies = levels.map((level) => vi.spyOn(console, level).mockImplementation(() => undefined))
    const bus = createBus({
      plugins: [{ name: 'talk', install: ({ logger }) => levels.forEach((level) => logger[level]({}, level)) }],
    })
    void bus.publish(Job(1), { priority: Number.NaN })
    await settle()
    const calls = spies.map(({ mock }) => mock.calls.length)
    for (const spy of spies) spy.mockRestore()
    expect(calls).toEqual([0, 0, 2, 1])
  })

  it('a logger that throws harms nothing', async () => {
    const bad = (): never => {
      throw new Error('disk full')
    }
    const bus = createBus({ logger: { debug: bad, info: bad, warn: bad, error: bad } })
    bus.on(Job, () => {
      throw new Error('x')
    })
    bus.observe({
      eventAccepted: () => {
        throw new Error('x')
      },
    })
    await bus.start()
    void bus.publish(Job(1), { priority: Number.NaN })
    await expect(bus.publishAndWait(Job(1))).resolves.toMatchObject({ failed: 1 })
    await settle()
    await bus.stop()
    expect(bus.errors).toHaveLength(1)
  })

  it('writes nothing when all is well', async () => {
    const logger = recordingLogger()
    await using bus = createBus({ logger })
    bus.on(Job, () => undefined)
    await bus.start()
    await bus.publish(Job(1))
    await bus.idle()
    expect(logger.lines).toEqual([])
  })
})
