import { defineCommand, defineEvent, unwrap } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { broken, guardedBus } from './support/guarded-bus.ts'

const Job = defineEvent<number>('job')
const Work = defineCommand('work')
const lane = ({ payload }: { readonly payload: unknown }): string => String(payload)

describe('bulkhead', () => {
  it('lets so many calls of a handler run at once, and the others in order', async () => {
    const { bus, clock } = await guardedBus({}, { lane })
    const order: number[] = []
    let running = 0
    let most = 0
    bus.on(
      Job,
      async ({ payload }) => {
        order.push(payload)
        most = Math.max(most, ++running)
        await new Promise<void>((resolve) => void clock.setTimer(resolve, 10))
        running--
      },
      { bulkhead: { maxConcurrent: 2 } },
    )
    for (let n = 0; n < 10; n++) await bus.publish(Job(n))
    await clock.advance(100)
    expect(most).toBe(2)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('refuses beyond its queue, which is no attempt, and final without retries', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false }, { lane })
    bus.on(Job, () => new Promise(() => undefined), { name: 'work', bulkhead: { maxConcurrent: 1, maxQueued: 1 } })
    for (let n = 0; n < 3; n++) await bus.publish(Job(n))
    await clock.advance(0)
    expect((await guard.deadLetters.list()).entries).toMatchObject([
      { payload: 2, attempts: [{ error: { code: 'BULKHEAD_FULL' } }], handlers: [{ attempts: 0 }] },
    ])
  })

  it('an event that was refused waits, and gets its turn', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: { maxRetries: 1, initialDelayMs: 0 } }, { lane })
    const work = Promise.withResolvers<void>()
    const order: number[] = []
    bus.on(Job, ({ payload }) => (order.push(payload), work.promise), {
      name: 'work',
      bulkhead: { maxConcurrent: 1, maxQueued: 0 },
    })
    for (let n = 0; n < 3; n++) await bus.publish(Job(n))
    await clock.advance(10_000)
    work.resolve()
    await clock.advance(1000)
    expect(new Set(order)).toEqual(new Set([0, 1, 2]))
    expect((await guard.deadLetters.count()).total).toBe(0)
  })

  it('gives a place back when a handler fails, and takes out what is aborted while it waits', async () => {
    const { bus, clock } = await guardedBus({ retry: false }, { lane })
    const order: number[] = []
    bus.on(
      Job,
      async ({ payload }) => {
        order.push(payload)
        await new Promise<void>((resolve) => void clock.setTimer(resolve, 10))
        throw new Error('no luck')
      },
      { bulkhead: { maxConcurrent: 1 } },
    )
    const caller = new AbortController()
    void bus.publishAndWait(Job(0))
    void bus.publishAndWait(Job(1), { signal: caller.signal })
    void bus.publishAndWait(Job(2))
    await clock.advance(5)
    caller.abort()
    await clock.advance(100)
    expect(order).toEqual([0, 2])
  })
})

describe('rate limit', () => {
  it('lets so many calls begin in a time, and the others in order', async () => {
    const { bus, clock } = await guardedBus({}, { lane })
    const began: [number, number][] = []
    bus.on(Job, ({ payload }) => void began.push([payload, clock.monotonic()]), {
      rateLimit: { calls: 2, perMs: 1000 },
    })
    for (let n = 0; n < 6; n++) await bus.publish(Job(n))
    await clock.advance(10_000)
    expect(began).toEqual([
      [0, 0],
      [1, 0],
      [2, 500],
      [3, 1000],
      [4, 1500],
      [5, 2000],
    ])
  })

  it('refuses beyond its queue', async () => {
    const { bus, clock, guard } = await guardedBus({ retry: false }, { lane })
    bus.on(Job, () => undefined, { name: 'work', rateLimit: { calls: 1, maxQueued: 0 } })
    await bus.publish(Job(0))
    await bus.publish(Job(1))
    await clock.advance(0)
    expect((await guard.deadLetters.list()).entries).toMatchObject([
      { payload: 1, attempts: [{ error: { code: 'RATE_LIMITED' } }] },
    ])
  })
})

describe('a command that is refused', () => {
  const limits = [
    ['BULKHEAD_FULL', { bulkhead: { maxConcurrent: 1, maxQueued: 0 } }],
    ['RATE_LIMITED', { rateLimit: { calls: 1, maxQueued: 0 } }],
  ] as const
  it.each(limits)('R-ERR-1 ends with %s itself, no attempt, and a letter that says why', async (code, options) => {
    const { bus, clock, guard } = await guardedBus({ retry: { maxRetries: 2 }, redact: { error: () => 'redacted' } })
    let calls = 0
    bus.handle(Work, () => new Promise(() => calls++), options)
    void bus.execute(Work())
    const result = bus.execute(Work())
    await clock.advance(500)
    await expect(result).resolves.toMatchObject({ success: false, error: { code }, attempts: 0 })
    expect(calls).toBe(1)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject([
      { handlers: [{ attempts: 0 }], attempts: Array.from({ length: 3 }, () => ({ error: { code } })) },
    ])
  })

  it('R-ERR-1 counts the calls of its handler only, also if it was refused after one', async () => {
    const { bus, clock } = await guardedBus({ retry: { maxRetries: 1, jitter: 'none' } })
    bus.handle(Work, broken().handle, { circuitBreaker: { consecutive: 1 } })
    const result = bus.execute(Work())
    await clock.advance(100)
    await expect(result).resolves.toMatchObject({ error: { code: 'CIRCUIT_OPEN' }, attempts: 1 })
  })

  it('R-ERR-1 is a failure of the handler that executed it, if that throws it on', async () => {
    const { bus, clock } = await guardedBus({ retry: false })
    const Outer = defineCommand('outer')
    bus.handle(Work, broken().handle, { circuitBreaker: { consecutive: 1 } })
    bus.handle(Outer, async (_command, { execute }) => unwrap(await execute(Work())))
    await bus.execute(Work())
    const result = bus.execute(Outer())
    await clock.advance(0)
    await expect(result).resolves.toMatchObject({
      error: { code: 'HANDLER_FAILED', cause: { code: 'CIRCUIT_OPEN' } },
      attempts: 1,
    })
  })
})

it('a rate limit leaves no timer behind when stop() ends who waits for it', async () => {
  const { bus, clock } = await guardedBus({}, { lane })
  bus.on(Job, () => undefined, { rateLimit: { calls: 1, perMs: 3_600_000 } })
  await bus.publish(Job(0))
  await bus.publish(Job(1))
  await clock.advance(0)
  const stopped = bus.stop({ timeoutMs: 0 })
  await clock.advance(0)
  await expect(stopped).resolves.toMatchObject({ aborted: 1 })
  expect(clock.pendingTimers).toBe(0)
})

it.each([
  [{ bulkhead: { maxConcurrent: 0 } }, 'bulkhead.maxConcurrent'],
  [{ bulkhead: { maxConcurrent: 1, maxQueued: -1 } }, 'bulkhead.maxQueued'],
  [{ rateLimit: { calls: 0 } }, 'rateLimit.calls'],
  [{ rateLimit: { calls: 1, perMs: 0 } }, 'rateLimit.perMs'],
])('refuses %o by its name', async (options, name) => {
  const { bus } = await guardedBus()
  expect(() => bus.on(Job, () => undefined, options)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
  )
})
