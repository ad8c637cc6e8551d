import { createBus, defineCommand, defineEvent, HandlerPriority } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { createTestBus } from '@buslane/testkit'
import { describe, expect, it } from 'vitest'
import { NonRetryableError, resilience, RetryAfterError } from '../src/index.ts'
import { broken, failing, guardedBus, keeping } from './support/guarded-bus.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Placed = defineEvent<number>('order.placed')
const Charge = defineCommand<number, string>('card.charge')
const noJitter = { retry: { jitter: 'none' } } as const
const lost = new Error('connection lost')

describe('stored events', () => {
  it('R-SCH-1 are tried again when that is due, however seldom the store is asked what is', async () => {
    const Kept = defineEvent<number>('order.kept', { durable: true })
    const bus = createTestBus({
      persistence: memoryPersistence,
      logger: keeping(),
      plugins: [resilience({ retry: { initialDelayMs: 60_000, maxDelayMs: 600_000, jitter: 'none' } })],
    })
    const flaky = failing(lost, lost)
    bus.on(Kept, flaky.handle, { name: 'flaky' })
    await bus.start()
    await bus.publish(Kept(1))
    await bus.advance(59_000)
    expect(flaky.runs).toEqual([1])
    await bus.advance(1000 + 120_000 + 100)
    expect(flaky.runs).toEqual([1, 2, 3])
    await bus.stop()
  })
})

describe('events', () => {
  it('R-PRI-3 runs only the failed handler again, and the next group waits for it', async () => {
    const { bus, clock } = await guardedBus(noJitter)
    const order: string[] = []
    const flaky = failing(lost, lost)
    bus.on(Placed, (...given: unknown[]) => (order.push('flaky'), flaky.handle(...given)), {
      priority: HandlerPriority.HIGH,
    })
    bus.on(Placed, () => void order.push('beside'), { priority: HandlerPriority.HIGH })
    bus.on(Placed, () => void order.push('after'), { priority: HandlerPriority.LOW })
    await bus.publish(Placed(1))
    await clock.advance(299)
    expect(order).toEqual(['flaky', 'beside', 'flaky'])
    await clock.advance(1)
    expect(order).toEqual(['flaky', 'beside', 'flaky', 'flaky', 'after'])
    expect(flaky.runs).toEqual([1, 2, 3])
  })

  it('R-PRI-3 keeps the lane in order: the next event of it waits for the retries of the one before', async () => {
    const { bus, clock } = await guardedBus(noJitter)
    const done: number[] = []
    const flaky = failing(lost)
    bus.on(Placed, (event, context) => (flaky.handle(event, context), done.push(event.payload)))
    await bus.publish(Placed(1))
    await bus.publish(Placed(2))
    await clock.advance(50)
    expect(done).toEqual([])
    await clock.advance(50)
    expect(done).toEqual([1, 2])
  })

  it('R-ERR-2 is told once, with all attempts, when the last one failed', async () => {
    const { bus, clock } = await guardedBus(noJitter)
    const handler = broken()
    bus.on(Placed, handler.handle, { name: 'ship' })
    await bus.publish(Placed(1))
    await clock.advance(100 + 200 + 400)
    expect(handler.runs).toBe(4)
    expect(bus.errors).toMatchObject([{ handler: 'ship', attempts: 4 }])
  })
})

describe('commands', () => {
  it('R-ERR-1 are tried again, and the caller gets the result of the last attempt', async () => {
    const { bus, clock } = await guardedBus(noJitter)
    const flaky = failing(lost, lost)
    bus.handle(Charge, (...given) => (flaky.handle(...given), 'charged'))
    const result = bus.execute(Charge(1))
    await clock.advance(300)
    await expect(result).resolves.toMatchObject({ success: true, value: 'charged', attempts: 3 })
  })

  it('R-ERR-1 end with HANDLER_FAILED and what was thrown at last', async () => {
    const { bus, clock } = await guardedBus(noJitter)
    bus.handle(Charge, broken(lost).handle)
    const result = bus.execute(Charge(1))
    await clock.advance(700)
    await expect(result).resolves.toMatchObject({
      success: false,
      attempts: 4,
      error: { code: 'HANDLER_FAILED', cause: lost },
    })
  })

  it('end at the caller’s timeout, and are not tried again after it', async () => {
    const { bus, clock } = await guardedBus(noJitter)
    const handler = broken()
    bus.handle(Charge, handler.handle)
    const result = bus.execute(Charge(1), { timeoutMs: 150 })
    await clock.advance(10_000)
    await expect(result).resolves.toMatchObject({ success: false, error: { code: 'TIMED_OUT' } })
    expect(handler.runs).toBe(2)
  })
})

describe('the options', () => {
  it.each([
    ['of the bus', { maxRetries: 1 }, {}, undefined, 2],
    ['of the type before those of the bus', { maxRetries: 1 }, { retry: { maxRetries: 2 } }, undefined, 3],
    ['of the handler before those of the type', { maxRetries: 1 }, { retry: { maxRetries: 2 } }, { maxRetries: 5 }, 6],
    ['of the handler, which wants none', { maxRetries: 1 }, {}, false, 1],
    ['of the type, which wants none', { maxRetries: 1 }, { retry: false }, undefined, 1],
    ['of the handler, which wants some again', { maxRetries: 1 }, { retry: false }, { maxRetries: 1 }, 2],
  ] as const)('are those %s', async (_which, onBus, onType, retry, runs) => {
    const { bus, clock, guard } = await guardedBus({ retry: { ...onBus, jitter: 'none' } })
    const Typed = defineEvent('typed', onType)
    const handler = broken()
    bus.on(Typed, handler.handle, { name: 'h', retry })
    await bus.publish(Typed())
    await clock.advance(100_000)
    expect(handler.runs).toBe(runs)
    expect(guard.policies()).toMatchObject([{ type: 'typed', handler: 'h', maxAttempts: runs }])
  })

  it.each([
    [{ maxRetries: -1 }, 'retry.maxRetries'],
    [{ maxRetries: 1.5 }, 'retry.maxRetries'],
    [{ initialDelayMs: -1 }, 'retry.initialDelayMs'],
    [{ maxDelayMs: Number.NaN }, 'retry.maxDelayMs'],
    [{ factor: 0.5 }, 'retry.factor'],
    [{ jitter: 'some' }, 'retry.jitter'],
    [{ deadlineMs: -1 }, 'retry.deadlineMs'],
    [{ retryIf: true }, 'retry.retryIf'],
    [{ retries: 3 }, 'retry.retries'],
  ])('refuse %o by its name, at registration', async (retry, name) => {
    const { bus } = await guardedBus()
    const register = (): unknown => bus.on(Placed, () => undefined, { retry: retry as never })
    expect(register).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
    )
    expect(() => bus.handle(Charge, () => '', { retry: retry as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

it('NonRetryableError ends it at once', async () => {
  const { bus } = await guardedBus()
  const handler = broken(new NonRetryableError('stolen'))
  bus.handle(Charge, handler.handle)
  await expect(bus.execute(Charge(1))).resolves.toMatchObject({ success: false, attempts: 1 })
})

it('RetryAfterError says when to go on', async () => {
  const { bus, clock } = await guardedBus()
  const flaky = failing(new RetryAfterError(30_000))
  bus.on(Placed, flaky.handle)
  await bus.publish(Placed(1))
  await clock.advance(29_999)
  expect(flaky.runs).toEqual([1])
  await clock.advance(1)
  expect(flaky.runs).toEqual([1, 2])
})

it('each attempt of a command has a signal of its own', async () => {
  const { bus, clock } = await guardedBus({ timeoutMs: 10, ...noJitter })
  const aborted: boolean[] = []
  bus.handle(Charge, async (_command, { signal }) => {
    aborted.push(signal.aborted)
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  })
  const result = bus.execute(Charge(1))
  await clock.advance(10_000)
  await expect(result).resolves.toMatchObject({ attempts: 4 })
  expect(aborted).toEqual([false, false, false, false])
})

it('nothing is begun after the deadline', async () => {
  const { bus, clock, guard } = await guardedBus({ retry: { jitter: 'none', deadlineMs: 250 } })
  const handler = broken()
  bus.on(Placed, handler.handle)
  await bus.publish(Placed(1))
  await clock.advance(10_000)
  expect(handler.runs).toBe(2)
  expect((await guard.deadLetters.list()).entries).toMatchObject([{ reason: 'attempts-exhausted' }])
})

it('each attempt has a signal of its own', async () => {
  const { bus, clock } = await guardedBus({ timeoutMs: 10, graceMs: 0, ...noJitter })
  const aborted: boolean[] = []
  bus.on(Placed, async (_event, { signal }) => {
    aborted.push(signal.aborted)
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  })
  await bus.publish(Placed(1))
  await clock.advance(10_000)
  expect(aborted).toEqual([false, false, false, false])
})

describe('the recover option', () => {
  const throwing = {
    get action(): never {
      throw new Error('no')
    },
  }
  it.each([
    ['a delay that is no number', () => ({ action: 'retryAt', delayMs: NaN })],
    ['a delay below 0', () => ({ action: 'retryAt', delayMs: -5 })],
    ['a delay that is a text', () => ({ action: 'pauseIntake', delayMs: 'x' })],
    ['no delay', () => ({ action: 'retryAt' })],
    ['no end', () => ({ action: 'retryAt', delayMs: Infinity })],
    ['an action that there is not', () => ({ action: 'forget' })],
    ['no reason', () => ({ action: 'deadLetter' })],
    ['a promise', async () => Promise.reject(new Error('too late'))],
    ['properties that throw', () => throwing],
    ['a number', () => 5],
  ])('that gives %s leaves it at the default, and no letter is lost', async (_what, recover) => {
    const { bus, guard, clock, logged } = await guardedBus({
      recover: recover as never,
      retry: { maxRetries: 1 },
    })
    bus.on(Placed, broken().handle)
    await bus.publish(Placed(1))
    await clock.advance(1000)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject([{ reason: 'attempts-exhausted' }])
    expect(logged.filter((line) => line.includes('recover'))).toHaveLength(2)
  })

  it.each([
    ['throws', broken().handle],
    ['gives no number', () => NaN],
  ])('a source of jitter that %s loses no letter', async (_what, random) => {
    const { bus, guard, clock } = await guardedBus({ random })
    bus.on(Placed, broken().handle)
    await bus.publish(Placed(1))
    await clock.advance(60_000)
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ reason: 'attempts-exhausted' }])
  })

  it('has the last word', async () => {
    const { bus, guard } = await guardedBus({ recover: () => ({ action: 'deadLetter', reason: 'mine' }) })
    bus.on(Placed, broken().handle)
    await bus.publish(Placed(1))
    await settle()
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ reason: 'mine' }])
  })

  it('may discard, so that nothing is kept but the failure', async () => {
    const { bus, guard } = await guardedBus({ recover: () => ({ action: 'discard' }) })
    bus.on(Placed, broken().handle)
    await bus.publish(Placed(1))
    await settle()
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
    expect(bus.errors).toHaveLength(1)
  })

  it('that throws leaves the default', async () => {
    const { bus, clock } = await guardedBus({
      ...noJitter,
      recover: () => {
        throw new Error('oops')
      },
    })
    const handler = broken()
    bus.on(Placed, handler.handle)
    await bus.publish(Placed(1))
    await clock.advance(700)
    expect(handler.runs).toBe(4)
  })
})

it('fault 6: what was published before start() is handled, retries included', async () => {
  const clock = new VirtualClock()
  const bus = createBus({ clock, logger: keeping(), plugins: [resilience(noJitter)] })
  const flaky = failing(lost)
  bus.on(Placed, flaky.handle)
  await bus.publish(Placed(1))
  expect(flaky.runs).toEqual([])
  await bus.start()
  await clock.advance(100)
  expect(flaky.runs).toEqual([1, 2])
})

it('fault 7: an event that waits for a retry is not dropped, however much comes after it', async () => {
  const { bus, clock } = await guardedBus(noJitter, { queue: { capacity: 2, strategy: 'drop-oldest' } })
  const done: number[] = []
  const flaky = failing(lost)
  bus.on(Placed, (event, context) => (flaky.handle(event, context), done.push(event.payload)))
  await bus.publish(Placed(0))
  await settle()
  for (let n = 1; n <= 100; n++) await bus.publish(Placed(n))
  await clock.advance(100)
  expect(done).toEqual([0, 99, 100])
})
