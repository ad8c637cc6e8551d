import { type Bus, type Claimed, createBus, defineEvent, type Persistence, type StandardSchema } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { describe, expect, it } from 'vitest'
import { FaultyStore, type HeldAnswer } from '../src/conformance/bus/faulty-store.ts'

const Said = defineEvent<number>('chat.said', { durable: true })
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** A bus that handles, and what it handled. */
const handling = async (
  persistence: Persistence,
  definition: typeof Said = Said,
): Promise<{ readonly bus: Bus; readonly handled: number[] }> => {
  const bus = createBus({ persistence, logger: quiet })
  const handled: number[] = []
  bus.on(definition, ({ payload }) => void handled.push(payload), { name: 'listen' })
  await bus.start()
  return { bus, handled }
}

/** Holds back the answer to the first claim that brings something. */
const holdClaim = async (link: FaultyStore): Promise<HeldAnswer> => {
  let held = link.holdAnswer('claim')
  while (((await held.answer) as Claimed).events.length === 0) {
    const empty = held
    held = link.holdAnswer('claim')
    empty.release()
  }
  return held
}

describe('what one process publishes to one lane is handled in call order', () => {
  it.each([
    ['R-LANE-3 a session', 's', 101],
    ['R-LANE-3 a session', 's', 1200],
    ["R-LANE-1 the bus's own lane", 'BUS', 101],
    ["R-LANE-1 the bus's own lane", 'BUS', 1200],
  ])('%s %s, in bursts of %i', async (_rule, sessionId, count) => {
    const { bus, handled } = await handling(memoryPersistence())
    for (let round = 0; round < 3; round++) {
      handled.length = 0
      for (let n = 0; n < count; n++) void bus.publish(Said(n, { sessionId }))
      // What this process could not keep at once is claimed later: it is idle in between.
      await expect.poll(() => handled.length, { timeout: 20_000 }).toBe(count)
      expect(handled).toEqual(upTo(count))
    }
    await bus.stop()
  })

  it('R-LANE-3 with payloads that take their time to be parsed, the first the longest', async () => {
    const schema: StandardSchema<number, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) => {
          const n = Number(value)
          for (let turns = n; turns < 20; turns++) await new Promise((done) => setImmediate(done))
          return { value: n }
        },
      },
    }
    const Slow = defineEvent('chat.said', { schema, durable: true })
    const persistence = memoryPersistence()
    const publisher = createBus({ persistence, logger: quiet })
    for (const n of upTo(20)) await publisher.publish(Said(n, { sessionId: 's' }))
    const { bus, handled } = await handling(persistence, Slow)
    await expect.poll(() => handled.length).toBe(20)
    expect(handled).toEqual(upTo(20))
    await publisher.stop()
    await bus.stop()
  })
})

describe('R-LANE-3 answers of the store that come in another order than it did what they tell', () => {
  it('a claim that is heard of after what was appended behind it', async () => {
    const persistence = memoryPersistence()
    const link = new FaultyStore(persistence)
    const { bus, handled } = await handling(link.persistence)
    await bus.idle()
    const publisher = createBus({ persistence, logger: quiet })
    const claim = holdClaim(link)
    await publisher.publish(Said(1, { sessionId: 's' }))
    const held = await claim
    await bus.publish(Said(2, { sessionId: 's' }))
    await new Promise((done) => setImmediate(done))
    held.release()
    await bus.idle()
    expect(handled).toEqual([1, 2])
    await publisher.stop()
    await bus.stop()
  })

  it('an append that is heard of after what was claimed behind it', async () => {
    const persistence = memoryPersistence()
    const link = new FaultyStore(persistence)
    const { bus, handled } = await handling(link.persistence)
    // It claims ahead once it has seen that handlers are quick.
    for (const n of upTo(200)) void bus.publish(Said(n))
    await expect.poll(() => handled.length, { timeout: 20_000 }).toBe(200)
    await bus.idle()
    handled.length = 0
    const append = link.holdAnswer('append')
    const first = bus.publish(Said(1, { sessionId: 's' }))
    expect(await append.answer).toMatchObject([{ lease: {} }])
    const publisher = createBus({ persistence, logger: quiet })
    const claim = holdClaim(link)
    await publisher.publish(Said(2, { sessionId: 's' }))
    const held = await claim
    held.release()
    await new Promise((done) => setImmediate(done))
    append.release()
    await first
    await bus.idle()
    expect(handled).toEqual([1, 2])
    await publisher.stop()
    await bus.stop()
  })
})

describe('R-PRI-5 R-LANE-3 an urgent event that goes before what is held of its lane', () => {
  const Careful = defineEvent<string>('chat.careful', { durable: true, onCrash: 'fail' })

  it('lets neither what is held nor what a claim brings meanwhile begin before what is first', async () => {
    const persistence = memoryPersistence()
    const link = new FaultyStore(persistence)
    const bus = createBus({ persistence: link.persistence, logger: quiet })
    const publisher = createBus({ persistence, logger: quiet })
    const handled: string[] = []
    const gate = Promise.withResolvers<void>()
    bus.on(
      Careful,
      async ({ payload }) => {
        handled.push(payload)
        if (payload === 'running') await gate.promise
      },
      { name: 'listen' },
    )
    await bus.start()
    // It claims ahead once it has seen that handlers are quick.
    await Promise.all(upTo(200).map((n) => bus.publish(Careful(`warm ${n}`, { sessionId: `${n}` }))))
    await bus.idle()
    handled.length = 0
    const publish = (name: string, priority: number): Promise<unknown> =>
      publisher.publish(Careful(name, { sessionId: 's' }), { priority })
    for (const [name, priority] of [
      ['running', 50],
      ['later', 50],
      ['first', 0],
    ] as const) {
      const claim = holdClaim(link)
      await publish(name, priority)
      ;(await claim).release()
      await new Promise((done) => setImmediate(done))
    }
    const claim = holdClaim(link)
    await publish('second', 0)
    const held = await claim
    await publish('third', 0)
    const reports = link.calls.get('report') ?? 0
    gate.resolve()
    await expect.poll(() => link.calls.get('report')).toBeGreaterThan(reports)
    for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done))
    held.release()
    await expect.poll(() => handled.length).toBe(5)
    expect(handled).toEqual(['running', 'first', 'second', 'third', 'later'])
    await publisher.stop()
    await bus.stop()
  })
})
