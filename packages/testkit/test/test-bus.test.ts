import { defineCommand, defineEvent } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { createTestBus, failOnce, underSeeds, VirtualClock } from '@buslane/testkit'
import { describe, expect, it, vi } from 'vitest'
import { retrying } from '../src/conformance/bus/retrying.ts'

const Placed = defineEvent<{ readonly n: number }>('test-bus.placed')
const Stored = defineEvent<{ readonly n: number }>('test-bus.stored', { durable: true })
const Charge = defineCommand<{ readonly cents: number }, { readonly id: string }>('test-bus.charge')
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const YEAR_MS = 365 * 24 * 3_600_000

describe('createTestBus', () => {
  it('R-SCH-1 fires what is due in order, also what the fired ones schedule', async () => {
    await using bus = createTestBus()
    bus.on(Placed, async ({ payload: { n } }, context) => {
      for (const next of [n + 1].filter((one) => one < 4))
        await context.schedule(Placed({ n: next }), { delayMs: 3_600_000 })
    })
    await bus.start()
    await bus.schedule(Placed({ n: 10 }), { delayMs: 2.5 * 3_600_000 })
    await bus.schedule(Placed({ n: 1 }), { delayMs: 3_600_000 })
    await bus.advance('2h')
    expect(bus.recorded.handled(Placed).map(({ payload }) => payload.n)).toEqual([1, 2])
    await bus.advance('1d')
    expect(bus.recorded.handled(Placed).map(({ payload }) => payload.n)).toEqual([1, 2, 10, 3])
  })

  it('lets a year pass over a stored schedule in a moment', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const startedAt = performance.now()
    await bus.schedule(Stored({ n: 1 }), { delayMs: YEAR_MS })
    await bus.advance(YEAR_MS - 1)
    expect(bus.recorded.handled(Stored)).toEqual([])
    await bus.advance(1)
    expect(bus.recorded.handled(Stored)).toHaveLength(1)
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })

  it('passes the time that a back-off and a timeout take', async () => {
    await using bus = createTestBus({ plugins: [retrying(60_000, 3)], logger: quiet })
    bus.on(
      Placed,
      failOnce(() => 'done'),
    )
    await bus.start()
    const outcome = bus.publishAndWait(Placed({ n: 1 }))
    await bus.advance('59s')
    expect(bus.recorded.handled(Placed)).toEqual([])
    await bus.advance('1s')
    expect(await outcome).toMatchObject({ failed: 0, handlers: [{ attempts: 2, value: 'done' }] })
  })

  it('stops although a handler never ends', async () => {
    const bus = createTestBus({ logger: quiet })
    bus.on(Placed, () => new Promise(() => {}))
    await bus.start()
    await bus.publish(Placed({ n: 1 }))
    await expect(bus.stop()).resolves.toMatchObject({ aborted: 1 })
  })

  it('answers a command with a value, by a function, or with a failure', async () => {
    await using bus = createTestBus({ logger: quiet })
    const value = bus.stubCommand(Charge, { id: 'c-1' })
    await bus.execute(Charge({ cents: 1 }))
    value.remove()
    const byFunction = bus.stubCommand(Charge, ({ payload }) => ({ id: `for ${payload.cents}` }))
    await bus.execute(Charge({ cents: 2 }))
    byFunction.remove()
    bus.stubCommand(Charge, () => {
      throw new Error('declined')
    })
    await bus.execute(Charge({ cents: 3 }))
    expect(bus.recorded.executed(Charge).map(({ command, result }) => [command.payload.cents, result])).toMatchObject([
      [1, { success: true, value: { id: 'c-1' } }],
      [2, { success: true, value: { id: 'for 2' } }],
      [3, { success: false, error: { code: 'HANDLER_FAILED', cause: { message: 'declined' } } }],
    ])
  })

  it('does not notice the fake timers of a test runner', async () => {
    vi.useFakeTimers()
    try {
      await using bus = createTestBus()
      bus.on(Placed, () => {})
      await bus.start()
      await bus.schedule(Placed({ n: 1 }), { delayMs: 1000 })
      await bus.advance('1s')
      expect(bus.recorded.handled(Placed)).toHaveLength(1)
    } finally {
      vi.useRealTimers()
    }
  })

  it('shares a clock and a store between buses', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    await using publisher = createTestBus({ clock, persistence })
    await using worker = createTestBus({ clock, persistence })
    worker.on(Stored, () => {}, { name: 'a' })
    await worker.start()
    await publisher.publish(Stored({ n: 1 }))
    await publisher.advance('1s')
    expect(worker.recorded.handled(Stored)).toHaveLength(1)
  })
})

describe('advance', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['3d', 259_200_000],
    ['2w', 1_209_600_000],
    [17, 17],
  ] as const)('takes %s', async (duration, ms) => {
    const clock = new VirtualClock(0)
    await clock.advance(duration)
    expect([clock.now(), clock.monotonic()]).toEqual([ms, ms])
  })

  it.each(['3 d', '', 'd', '-1s', -1, Number.NaN, Infinity])('refuses %j', async (duration) => {
    await expect(new VirtualClock().advance(duration as number)).rejects.toThrow('is no duration')
  })
})

/** In which order three concurrent handlers end. */
async function orderUnder(seed: number | undefined): Promise<string> {
  const ended: string[] = []
  await using bus = createTestBus({ seed })
  for (const name of ['a', 'b', 'c']) bus.on(Placed, () => void ended.push(name), { name })
  await bus.start()
  await bus.publishAndWait(Placed({ n: 1 }))
  return ended.join('')
}

describe('a seed', () => {
  it('gives the same order again, and other seeds give every order', async () => {
    const orders = await Promise.all(Array.from({ length: 60 }, (_, seed) => orderUnder(seed)))
    expect([...new Set(orders)].toSorted()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])
    expect(await Promise.all(orders.map((_, seed) => orderUnder(seed)))).toEqual(orders)
  })

  it('R-PRI-2 never mixes groups', async () => {
    await underSeeds(20, async (seed) => {
      const ended: string[] = []
      await using bus = createTestBus({ seed })
      bus.on(Placed, () => void ended.push('late'), { name: 'late', priority: 90 })
      for (const name of ['a', 'b']) bus.on(Placed, () => void ended.push('early'), { name, priority: 10 })
      await bus.start()
      await bus.publishAndWait(Placed({ n: 1 }))
      expect(ended).toEqual(['early', 'early', 'late'])
    })
  })

  it('that fails is named, and can be run alone', async () => {
    const wrong = async (seed: number): Promise<void> => expect(await orderUnder(seed)).toBe('abc')
    const error = await underSeeds(60, wrong).catch((thrown: unknown) => thrown as Error)
    const [, seed] = /Fails under seed (\d+)/.exec((error as Error).message) ?? []
    await expect(underSeeds({ only: Number(seed) }, wrong)).rejects.toThrow(`Fails under seed ${seed} `)
    expect((error as Error).cause).toMatchObject({ name: 'AssertionError' })
  })
})
