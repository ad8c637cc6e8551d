import { defineCommand, defineEvent, type EventContext } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { createTestBus, failOnce, type TestBus } from '@buslane/testkit'
import { describe, expect, it } from 'vitest'
import { retrying } from '../src/conformance/bus/retrying.ts'

const Placed = defineEvent<{ readonly n: number }>('order.placed')
const Shipped = defineEvent<{ readonly n: number }>('order.shipped')
const Stored = defineEvent<{ readonly n: number }>('order.stored', { durable: true })
const Charge = defineCommand<{ readonly n: number }, string>('order.charge')
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const after = (bus: TestBus, ms: number): Promise<void> =>
  new Promise((resolve) => void bus.clock.setTimer(resolve, ms))

describe('recorded', () => {
  it('tells what was published, handled and executed, by type', async () => {
    await using bus = createTestBus()
    bus.on(Placed, async ({ payload }, context) => {
      await context.execute(Charge(payload))
      await context.publish(Shipped(payload))
    })
    bus.stubCommand(Charge, 'paid')
    await bus.start()
    await bus.publish(Placed({ n: 1 }))
    await bus.idle()
    const { recorded } = bus
    expect(recorded.published(Placed).map(({ payload }) => payload)).toEqual([{ n: 1 }])
    expect(recorded.published(Shipped)).toHaveLength(1)
    expect(recorded.handled(Placed)).toHaveLength(1)
    expect(recorded.handled(Shipped)).toEqual([])
    expect(recorded.executed(Charge)).toMatchObject([{ result: { success: true, value: 'paid' } }])
    expect(recorded.failed()).toEqual([])
  })

  it('tells what failed, and not that it was handled', async () => {
    await using bus = createTestBus({ logger: quiet })
    bus.on(Placed, () => Promise.reject(new Error('no')), { name: 'ship' })
    await bus.start()
    await bus.publish(Placed({ n: 1 }))
    await bus.execute(Charge({ n: 1 }))
    await bus.idle()
    expect(bus.recorded.handled(Placed)).toEqual([])
    expect(bus.recorded.failed()).toMatchObject([
      { handler: 'order.charge', error: { code: 'NO_HANDLER' } },
      { handler: 'ship', error: { message: 'no' }, attempts: 1 },
    ])
  })

  it('tells what is in the dead letters', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence, logger: quiet })
    bus.on(Stored, () => Promise.reject(new Error('no')), { name: 'ship' })
    await bus.start()
    await bus.publish(Stored({ n: 1 }))
    await bus.advance('1s')
    expect(await bus.recorded.deadLettered()).toMatchObject([{ reason: 'failed', message: { payload: '{"n":1}' } }])
  })

  it('has no dead letters without a store', async () => {
    await using bus = createTestBus()
    expect(await bus.recorded.deadLettered()).toEqual([])
  })
})

describe('next', () => {
  it('gives what has already happened, each event once, and then what comes', async () => {
    await using bus = createTestBus()
    await bus.start()
    for (const n of [1, 2]) await bus.publish(Placed({ n }))
    const { recorded } = bus
    expect((await recorded.next(Placed, ({ payload }) => payload.n === 2)).payload.n).toBe(2)
    expect((await recorded.next(Placed)).payload.n).toBe(1)
    const third = recorded.next(Placed)
    await bus.publish(Placed({ n: 3 }))
    expect((await third).payload.n).toBe(3)
  })

  it('gives one event to one of those who wait', async () => {
    await using bus = createTestBus()
    await bus.start()
    const both = [bus.recorded.next(Placed), bus.recorded.next(Placed)]
    for (const n of [1, 2]) await bus.publish(Placed({ n }))
    expect((await Promise.all(both)).map(({ payload }) => payload.n)).toEqual([1, 2])
  })

  it('prints the timeline when nothing comes', async () => {
    await using bus = createTestBus()
    await bus.start()
    await bus.publish(Placed({ n: 1 }))
    await expect(bus.recorded.next(Shipped, undefined, { timeoutMs: 1 })).rejects.toThrow(
      /No 'order\.shipped' came within 1 ms[^]*order\.placed#1 published/,
    )
  })
})

describe('timeline', () => {
  it('says when, what, in which group, by whom, how it ended and what caused it', async () => {
    await using bus = createTestBus({ plugins: [retrying(500, 2)], logger: quiet })
    bus.on(Placed, () => after(bus, 20), { name: 'reserve', priority: 10 })
    bus.on(
      Placed,
      failOnce((_event: unknown, context: EventContext) => context.publish(Shipped({ n: 1 }))),
      { name: 'ship' },
    )
    bus.on(Shipped, () => Promise.reject(new Error('lost')), { name: 'track' })
    await bus.start()
    await bus.publish(Placed({ n: 1 }))
    await bus.advance('2s')
    expect(bus.recorded.timeline().split('\n')).toEqual([
      '0 ms             order.placed#1 published',
      '0 to 20 ms       order.placed#1 group 10, reserve: fulfilled',
      '20 ms            order.placed#1 group 50, ship: attempt 1 failed (Error: failOnce: the first call fails), again in 500 ms',
      '520 ms           order.shipped#2 published, caused by order.placed#1',
      '20 to 520 ms     order.placed#1 group 50, ship: fulfilled, attempt 2',
      '520 ms           order.shipped#2 group 50, track: attempt 1 failed (Error: lost), again in 500 ms',
      '520 to 1020 ms   order.shipped#2 group 50, track: rejected (Error: lost), attempt 2',
    ])
  })

  it('is readable when nothing happened', () => {
    expect(createTestBus().recorded.timeline()).toBe('Nothing happened.')
  })
})
