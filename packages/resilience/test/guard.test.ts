import { BusError, createBus, defineCommand, defineEvent, type Signal } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { NonRetryableError, resilience } from '../src/index.ts'
import { broken, failing, guardedBus, keeping } from './support/guarded-bus.ts'
import { settle } from './support/virtual-clock.ts'

const Placed = defineEvent<number>('order.placed')
const Paid = defineEvent<number>('order.paid')
const Charge = defineCommand<number>('card.charge')

describe('handlerStats', () => {
  it('counts runs, failures, failures in a row and the last one, per handler', async () => {
    const { bus, guard, clock } = await guardedBus({ retry: { jitter: 'none' } })
    const at = clock.now()
    bus.on(Placed, failing(new TypeError('a'), new TypeError('b')).handle, { name: 'ship' })
    bus.on(Placed, () => undefined, { name: 'count' })
    await bus.publish(Placed(1))
    await clock.advance(150)
    expect(guard.handlerStats()).toEqual([
      {
        handler: 'ship',
        type: 'order.placed',
        sessionId: undefined,
        executions: 2,
        failures: 2,
        consecutiveFailures: 2,
        timeouts: 0,
        runaways: 0,
        ratePerSecond: 2 / 60,
        failureRate: 1,
        lastFailure: { name: 'TypeError', message: 'b', failedAt: at + 100 },
      },
      expect.objectContaining({ handler: 'count', executions: 1, failures: 0, failureRate: 0, lastFailure: undefined }),
    ])
    await clock.advance(1000)
    expect(guard.handlerStats()[0]).toMatchObject({ executions: 3, failures: 2, consecutiveFailures: 0 })
  })

  it('rates are those of the last minute', async () => {
    const { bus, guard, clock } = await guardedBus()
    bus.on(Placed, () => undefined, { name: 'count' })
    await bus.publish(Placed(1))
    await clock.advance(70_000)
    expect(guard.handlerStats()).toMatchObject([{ executions: 1, ratePerSecond: 0, failureRate: 0 }])
  })

  it('adds up per type, and per session on demand, for so many sessions', async () => {
    const { bus, guard, clock } = await guardedBus({ retry: false, sessionStats: 2 })
    bus.on(Placed, broken().handle, { name: 'ship' })
    bus.on(Placed, () => undefined, { name: 'count' })
    bus.on(Paid, () => undefined, { name: 'count' })
    for (const sessionId of ['a', 'b', 'a', 'c']) await bus.publish(Placed(1, { sessionId }))
    await bus.publish(Paid(1, { sessionId: 'c' }))
    await clock.advance(0)
    const byType = guard.handlerStats({ by: 'type' })
    expect(byType).toMatchObject([
      { type: 'order.placed', executions: 8, failures: 4, failureRate: 0.5 },
      { type: 'order.paid', executions: 1, failures: 0 },
    ])
    expect(guard.handlerStats({ by: 'session' })).toHaveLength(2)
    expect(guard.handlerStats({ by: 'session' }).at(-1)).toMatchObject({ sessionId: 'c', executions: 3, failures: 1 })
  })

  it('what was aborted, or is still to be approved, is no failure', async () => {
    const { bus, guard } = await guardedBus()
    bus.handle(Charge, () => Promise.reject(new BusError('APPROVAL_PENDING', 'somebody has yet to decide')))
    await expect(bus.execute(Charge(1))).resolves.toMatchObject({ success: false, attempts: 1 })
    expect(guard.handlerStats()).toMatchObject([{ executions: 1, failures: 0 }])
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
  })
})

describe('policies', () => {
  it('say how often each handler may run, before it multiplies', async () => {
    const { bus, guard, clock } = await guardedBus({ retry: { maxRetries: 2, initialDelayMs: 0 } })
    const inner = broken()
    bus.handle(Charge, inner.handle, { retry: { maxRetries: 1 } })
    bus.on(
      Placed,
      async (_event, { execute }) => {
        const { success } = await execute(Charge(1))
        if (!success) throw new Error('not charged')
      },
      { name: 'ship' },
    )
    await bus.publish(Placed(1))
    await clock.advance(0)
    expect(guard.policies()).toMatchObject([
      { kind: 'event', type: 'order.placed', handler: 'ship', maxAttempts: 3 },
      { kind: 'command', type: 'card.charge', maxAttempts: 2 },
    ])
    expect(inner.runs).toBe(3 * 2)
  })
})

describe('signals', () => {
  it('tell telemetry of what happens, and offer what is', async () => {
    const told: string[] = []
    let read: () => readonly Signal[] = () => []
    const listening = {
      name: 'listening',
      install: ({ signals }: Parameters<ReturnType<typeof resilience>['install']>[0]) => {
        signals.observe(({ name }) => void told.push(name))
        read = () => signals.read()
      },
    }
    const bus = createBus({ logger: keeping(), plugins: [listening, resilience({ retry: false })] })
    bus.handle(Charge, broken().handle, { circuitBreaker: { consecutive: 1 } })
    await bus.start()
    await bus.execute(Charge(1))
    await settle()
    expect(told).toEqual(['buslane.circuit.changed', 'buslane.dead_lettered'])
    expect(read().map(({ name, value }) => [name, value])).toEqual([
      ['buslane.dead_letters.in_memory', 1],
      ['buslane.circuits.open', 1],
    ])
    await bus.stop()
  })
})

describe('the plugin', () => {
  it('is for one bus', () => {
    const guard = resilience()
    createBus({ plugins: [guard] })
    expect(() => createBus({ plugins: [guard] })).toThrow(expect.objectContaining({ code: 'PLUGIN_FAILED' }))
  })

  it('has no dead letters before it is installed', () => {
    expect(() => resilience().deadLetters).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it.each([
    [{ graceMs: -1 }, 'graceMs'],
    [{ lettersInMemory: -1 }, 'lettersInMemory'],
    [{ lettersInMemory: 1.5 }, 'lettersInMemory'],
    [{ sessionStats: -1 }, 'sessionStats'],
    [{ recover: 5 }, 'recover'],
    [{ redact: { payload: true } }, 'redact.payload'],
    [{ retry: { factor: 0 } }, 'retry.factor'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ retires: {} }, 'retires'],
  ])('refuses %o by its name', (options, name) => {
    expect(() => resilience(options as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
    )
  })

  it('refuses impossible options of a definition when a handler of it is registered', async () => {
    const { bus } = await guardedBus()
    const Wrong = defineEvent('wrong', { retry: { factor: 0 } })
    expect(() => bus.on(Wrong, () => undefined)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('R-REG-1 works with a registry that has only the base API', async () => {
    const handlers = new Map<string, (...given: never[]) => unknown>()
    const { bus, clock, guard } = await guardedBus(
      {},
      {
        registry: {
          contract: 'handler-registry/1',
          registerCommandHandler: ({ type, handler }) => void handlers.set(type, handler),
          registerEventHandler: ({ type, handler }) => void handlers.set(type, handler),
          getCommandHandler: (type) => handlers.get(type) as never,
          getEventHandlers: (type) => [handlers.get(type) ?? []].flat() as never,
          unregisterSession: () => undefined,
        },
      },
    )
    const flaky = failing(new Error('no luck'))
    bus.on(Placed, flaky.handle, { name: 'ship', retry: { jitter: 'none' } })
    bus.handle(Charge, broken(new NonRetryableError('no')).handle)
    await bus.publish(Placed(1))
    await bus.execute(Charge(1))
    await clock.advance(100)
    expect(flaky.runs).toEqual([1, 2])
    expect(await guard.deadLetters.count()).toMatchObject({ total: 1 })
  })
})
