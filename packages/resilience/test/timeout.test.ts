import { defineCommand, defineEvent, HandlerPriority } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { HandlerRanAway } from '../src/index.ts'
import { guardedBus } from './support/guarded-bus.ts'
import { settle } from './support/virtual-clock.ts'

const Placed = defineEvent<number>('order.placed')
const Charge = defineCommand<number, string>('card.charge')
const never = (): Promise<never> => new Promise(() => undefined)
const untilAborted = (_message: unknown, { signal }: { readonly signal: AbortSignal }): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

describe('timeoutMs', () => {
  it('R-PRI-3 raises the signal with a typed reason, and the next group goes on', async () => {
    const { bus, clock } = await guardedBus({ retry: false })
    const after: number[] = []
    let reason: unknown
    bus.on(
      Placed,
      (_event, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject((reason = signal.reason) as Error))
        }),
      { timeoutMs: 100, priority: HandlerPriority.HIGH },
    )
    bus.on(Placed, () => void after.push(clock.monotonic()))
    await bus.publish(Placed(1))
    await clock.advance(99)
    expect(after).toEqual([])
    await clock.advance(1)
    expect(after).toEqual([100])
    expect(reason).toMatchObject({ code: 'HANDLER_TIMED_OUT', timeoutMs: 100 })
    expect(bus.errors).toMatchObject([{ error: { code: 'HANDLER_TIMED_OUT' } }])
  })

  it('R-ERR-1 fails a command with its own error, whose caller need not know of it', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false })
    bus.handle(Charge, untilAborted, { timeoutMs: 100 })
    const result = bus.execute(Charge(1))
    await clock.advance(100)
    await expect(result).resolves.toMatchObject({ success: false, attempts: 1, error: { code: 'HANDLER_TIMED_OUT' } })
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ reason: 'timed-out' }])
  })

  it('ends what the handler waits for on the bus', async () => {
    const { bus, clock } = await guardedBus({ retry: false })
    const Inner = defineEvent('inner')
    let innerAborted = false
    bus.on(Inner, (_event, { signal }) => {
      signal.addEventListener('abort', () => (innerAborted = true))
      return never()
    })
    bus.on(Placed, (_event, { publishAndWait }) => publishAndWait(Inner()), { timeoutMs: 100 })
    await bus.publish(Placed(1))
    await clock.advance(100)
    expect(innerAborted).toBe(true)
  })

  it('what ends within the grace after the signal has ended by itself: its value counts', async () => {
    const { bus, clock } = await guardedBus({ retry: false, graceMs: 50 })
    bus.handle(
      Charge,
      (_command, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => clock.setTimer(() => resolve('charged after all'), 49))
        }),
      { timeoutMs: 100 },
    )
    const result = bus.execute(Charge(1))
    await clock.advance(149)
    await expect(result).resolves.toMatchObject({ success: true, value: 'charged after all' })
  })

  it('a handler that ignores its signal is reported as a runaway, and blocks the group no longer', async () => {
    const { bus, clock, guard, logged } = await guardedBus({ retry: false, graceMs: 50 })
    const told: unknown[] = []
    const after: number[] = []
    bus.on(HandlerRanAway, ({ payload }) => void told.push(payload))
    bus.on(Placed, never, { name: 'hang', timeoutMs: 100, priority: HandlerPriority.HIGH })
    bus.on(Placed, () => void after.push(clock.monotonic()), { name: 'after' })
    const event = Placed(1)
    await bus.publish(event)
    await clock.advance(150)
    expect(after).toEqual([150])
    expect(told).toEqual([
      { messageId: event.id, messageType: 'order.placed', sessionId: 'BUS', handler: 'hang', timeoutMs: 100 },
    ])
    expect(guard.handlerStats()).toContainEqual(
      expect.objectContaining({ handler: 'hang', timeouts: 1, runaways: 1, failures: 1, failureRate: 1 }),
    )
    expect(logged.filter((line) => line.includes('ignores its signal'))).toHaveLength(1)
  })

  it('a runaway that ends at last is none any more, and what it gives is thrown away', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false, graceMs: 0 })
    const { promise, resolve } = Promise.withResolvers<string>()
    bus.handle(Charge, () => promise, { timeoutMs: 100 })
    const result = bus.execute(Charge(1))
    await clock.advance(100)
    await expect(result).resolves.toMatchObject({ success: false })
    resolve('late')
    await settle()
    expect(guard.handlerStats()).toMatchObject([{ runaways: 0, failures: 1 }])
  })

  it('is each attempt’s own', async () => {
    const { bus, clock } = await guardedBus({ timeoutMs: 100, retry: { jitter: 'none' } })
    const began: number[] = []
    bus.on(Placed, (event, context) => {
      began.push(clock.monotonic())
      return untilAborted(event, context)
    })
    await bus.publish(Placed(1))
    await clock.advance(10_000)
    expect(began).toEqual([0, 200, 500, 1000])
  })

  it.each([
    ['of the bus', { timeoutMs: 10 }, {}, {}, 10],
    ['of the type before it', { timeoutMs: 10 }, { timeoutMs: 20 }, {}, 20],
    ['of the handler before that', { timeoutMs: 10 }, { timeoutMs: 20 }, { timeoutMs: 30 }, 30],
  ])('is that %s', async (_which, onBus, onType, onHandler, expected) => {
    const { bus, clock } = await guardedBus({ retry: false, graceMs: 0, ...onBus })
    const Typed = defineEvent('typed', onType)
    bus.on(Typed, never, onHandler)
    await bus.publish(Typed())
    await clock.advance(expected - 1)
    expect(bus.errors).toHaveLength(0)
    await clock.advance(1)
    expect(bus.errors).toHaveLength(1)
  })

  it('Infinity is none', async () => {
    const { bus, clock } = await guardedBus({ timeoutMs: 10 })
    bus.on(Placed, never, { timeoutMs: Infinity })
    await bus.publish(Placed(1))
    await clock.advance(1_000_000)
    expect(bus.errors).toHaveLength(0)
  })

  it.each([0, -1, Number.NaN, '5'])('refuses %o by its name', async (timeoutMs) => {
    const { bus } = await guardedBus()
    expect(() => bus.on(Placed, never, { timeoutMs: timeoutMs as number })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('timeoutMs') }),
    )
  })
})

describe('shared timing', () => {
  it('R-SCH-2 a thousand calls cost one timer at a time, and each falls due at its own time', async () => {
    const { bus, clock } = await guardedBus({ retry: false, graceMs: 0, timeoutMs: 500 })
    const failedAt: number[] = []
    bus.handle(Charge, never)
    const before = clock.timersSet
    const results: Promise<unknown>[] = []
    for (let n = 0; n < 1000; n++) {
      results.push(bus.execute(Charge(n)).then(() => failedAt.push(clock.monotonic())))
      clock.elapse(0.25)
    }
    expect(clock.timersSet - before).toBe(1)
    await clock.advance(1000)
    await Promise.all(results)
    expect(failedAt).toHaveLength(1000)
    expect(Math.min(...failedAt)).toBeGreaterThanOrEqual(500)
    expect(failedAt).toEqual(failedAt.toSorted((a, b) => a - b))
  })

  it('a wall clock that is set changes nothing', async () => {
    const { bus, clock } = await guardedBus({ retry: false, graceMs: 0, timeoutMs: 500 })
    bus.on(Placed, never)
    await bus.publish(Placed(1))
    clock.stepWall(1_000_000)
    await clock.advance(499)
    expect(bus.errors).toHaveLength(0)
    clock.stepWall(-2_000_000)
    await clock.advance(1)
    expect(bus.errors).toHaveLength(1)
  })

  it('no timer is left once nothing is at work for a second, nor after stop()', async () => {
    const { bus, clock } = await guardedBus({ timeoutMs: 60_000 })
    bus.handle(Charge, async () => 'done')
    await bus.execute(Charge(1))
    await clock.advance(1000)
    expect(clock.pendingTimers).toBe(0)
    await bus.execute(Charge(1))
    await bus.stop()
    expect(clock.pendingTimers).toBe(0)
  })
})
