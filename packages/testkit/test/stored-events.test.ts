import { createBus, defineEvent, type EventMessage } from '@buslane/core'
import { type MemoryPersistence, memoryPersistence } from '@buslane/persistence-memory'
import { createTestBus, VirtualClock } from '@buslane/testkit'
import { describe, expect, it } from 'vitest'
import { FaultyStore } from '../src/conformance/bus/faulty-store.ts'

const Stored = defineEvent<{ readonly n: number }>('stored-events.stored', { durable: true })
const Listed = defineEvent<{ readonly list: number[] }>('stored-events.listed', { durable: true })
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const lane = ({ metadata }: EventMessage): string | undefined => metadata['lane'] as string | undefined

describe('a stored schedule', () => {
  it('R-SCH-5 answers cancelled to whoever cancels it again, or at the same time', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const scheduled = await bus.schedule(Stored({ n: 1 }), { delayMs: 60_000 })
    expect(scheduled.durability).toBe('stored')
    expect(await Promise.all([scheduled.cancel(), scheduled.cancel()])).toEqual(['cancelled', 'cancelled'])
    expect(await scheduled.cancel()).toBe('cancelled')
    await bus.advance('2m')
    expect(bus.recorded.handled(Stored)).toEqual([])
  })

  it('R-SCH-5 answers too-late to everybody once it was handled', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const scheduled = await bus.schedule(Stored({ n: 1 }), { delayMs: 60_000 })
    await bus.advance('2m')
    expect([await scheduled.cancel(), await scheduled.cancel()]).toEqual(['too-late', 'too-late'])
  })
})

describe('lanes and idempotency keys', () => {
  it.each([
    ['a'.repeat(1024), 'accepted'],
    ['ä'.repeat(512), 'accepted'],
    ['😀'.repeat(256), 'accepted'],
  ])('R-DUR-8 may have 1,024 bytes', async (text, status) => {
    await using bus = createTestBus({ persistence: memoryPersistence, lane })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const event = Stored({ n: 1 }, { metadata: { lane: text } })
    expect(await bus.publish(event, { idempotencyKey: text })).toMatchObject({ status })
  })

  it.each(['a'.repeat(1025), 'ä'.repeat(513), '日'.repeat(342), '😀'.repeat(257)])(
    'R-DUR-8 are refused if they are longer, whatever the store',
    async (text) => {
      await using bus = createTestBus({ persistence: memoryPersistence, lane })
      bus.on(Stored, () => {}, { name: 'a' })
      await bus.start()
      const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('1,024 bytes') as string }
      await expect(bus.publish(Stored({ n: 1 }, { metadata: { lane: text } }))).rejects.toMatchObject(refused)
      await expect(bus.publish(Stored({ n: 1 }), { idempotencyKey: text })).rejects.toMatchObject(refused)
      await expect(bus.schedule(Stored({ n: 1 }), { delayMs: 1000, idempotencyKey: text })).rejects.toMatchObject(
        refused,
      )
    },
  )
})

describe('a durable event that is handled where it was published', () => {
  it('R-DUR-3 is to its handlers what was stored, whatever becomes of the object that was published', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    const seen: (readonly number[])[] = []
    bus.on(Listed, ({ payload }) => void seen.push(payload.list), { name: 'a' })
    await bus.start()
    const list = [1, -0]
    const published = bus.publish(Listed({ list }))
    list.push(2)
    await published
    list.push(3)
    await bus.idle()
    expect(seen).toEqual([[1, 0]])
  })

  it('R-DUR-3 is so for publishAndWait, too', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Listed, ({ payload }) => payload.list, { name: 'a' })
    await bus.start()
    const list = [1]
    const outcome = await bus.publishAndWait(Listed({ list }))
    expect(outcome.handlers[0]).toMatchObject({ value: [1] })
    expect((outcome.handlers[0] as { value: unknown }).value).not.toBe(list)
  })
})

describe('an event that can expire', () => {
  it('R-DUR-3 does so in its lane, although its start was recorded ahead of that', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence, lane: () => 'one' })
    const handled: number[] = []
    const slow = Promise.withResolvers<void>()
    bus.on(
      Stored,
      async ({ payload: { n } }) => {
        handled.push(n)
        await slow.promise
      },
      { name: 'a' },
    )
    await bus.start()
    await bus.publish(Stored({ n: 1 }))
    await bus.publish(Stored({ n: 2 }), { expiresInMs: 1000 })
    await bus.publish(Stored({ n: 3 }), { expiresInMs: 600_000 })
    await bus.advance('5s')
    slow.resolve()
    await bus.idle()
    expect(handled).toEqual([1, 3])
    expect((await bus.recorded.deadLettered()).map(({ reason }) => reason)).toEqual(['expired'])
  })
})

describe('what was leased in an answer that was lost', () => {
  it.each(['claim', 'append'])('R-DUR-3 by %s is handled soon, although this process is never idle', async (verb) => {
    const clock = new VirtualClock()
    const store = new FaultyStore(memoryPersistence({ clock }))
    await using bus = createTestBus({ persistence: store.persistence, clock, logger: quiet, lane: () => undefined })
    const handled: number[] = []
    const busy = Promise.withResolvers<void>()
    bus.on(
      Stored,
      async ({ payload: { n } }) => {
        handled.push(n)
        await [busy.promise][n]
      },
      { name: 'a' },
    )
    await using publisher = createTestBus({
      persistence: store.persistence,
      clock,
      logger: quiet,
      lane: () => undefined,
    })
    const publishers: Record<string, typeof bus> = { claim: publisher, append: bus }
    await bus.start()
    await publisher.start()
    await publishers[verb]!.publish(Stored({ n: 0 }))
    await clock.advance('2s')
    expect(handled).toEqual([0])
    store.once.set(verb, 'answer-lost')
    await publishers[verb]!.publish(Stored({ n: 1 })).catch(() => undefined)
    await clock.advance('5s')
    expect(handled).toEqual([0, 1])
    expect(bus.stats().stored).toMatchObject({ leased: 1 })
    busy.resolve()
  })
})

describe('a name of an object', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'R-DUR-13 is a handler like any other: %s',
    async (name) => {
      let persistence: MemoryPersistence | undefined
      await using bus = createTestBus({
        persistence: (options) => (persistence = memoryPersistence(options)),
        logger: quiet,
      })
      bus.on(Stored, ({ payload }) => void (payload.n === 1 && JSON.parse('{')), { name })
      await bus.start()
      await bus.publish(Stored({ n: 1 }))
      await bus.publish(Stored({ n: 2 }))
      await bus.advance('10s')
      expect(await persistence!.inspect.counts()).toMatchObject({ running: 0, ready: 0, deadLetters: 1 })
      const [letter] = (await persistence!.deadLetters!.list()).entries
      expect(Object.entries(letter!.progress)).toMatchObject([[name, { status: 'failed', attempts: 1 }]])
      await expect(bus.stop({ timeoutMs: 0 })).resolves.toMatchObject({ left: [] })
    },
  )
})

describe('what the options of a durable publish cannot mean', () => {
  it('R-DUR-8 publishAndWait with an idempotencyKey is refused, and says what to do', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const options: object = { idempotencyKey: 'taken' }
    await bus.publish(Stored({ n: 1 }), options)
    await expect(bus.publishAndWait(Stored({ n: 2 }), options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('Use publish') as string,
    })
  })

  it('R-DUR-9 an event that expires in Infinity milliseconds never does', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    await bus.start()
    await bus.publish(Stored({ n: 1 }), { expiresInMs: Infinity })
    await bus.advance('1d')
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.advance('10s')
    expect(bus.recorded.handled(Stored)).toHaveLength(1)
  })

  it('R-DUR-9 expiresInMs that is no number is refused by its name', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    await bus.start()
    await expect(bus.publish(Stored({ n: 1 }), { expiresInMs: NaN })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('expiresInMs') as string,
    })
  })
})

describe('a schedule whose idempotencyKey is taken', () => {
  it('R-DUR-8 says that it is a duplicate, of which event, and neither a time nor an answer to cancel that it does not know', async () => {
    await using bus = createTestBus({ persistence: memoryPersistence })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const first = await bus.schedule(Stored({ n: 1 }), { delayMs: 60_000, idempotencyKey: 'taken' })
    const second = await bus.schedule(Stored({ n: 2 }), { delayMs: 1000, idempotencyKey: 'taken' })
    expect(second).toMatchObject({ id: first.id, status: 'duplicate', durability: 'stored', dueAt: undefined })
    await expect(second.cancel()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(first.id) as string,
    })
    expect(await first.cancel()).toBe('cancelled')
  })
})

describe('a durable publish that waits for the store to be reached', () => {
  it('R-PUB-4 keeps the bus from being idle until the event is handled', async () => {
    const link = new FaultyStore(memoryPersistence())
    const joining = link.holdAnswer('join')
    const bus = createBus({ persistence: link.persistence, logger: quiet })
    const happened: string[] = []
    bus.on(Stored, ({ payload: { n } }) => void happened.push(`handled ${n}`), { name: 'a' })
    const started = bus.start()
    await joining.answer
    const publishes = [
      bus.publish(Stored({ n: 1 })),
      bus.publishAndWait(Stored({ n: 2 })),
      bus.schedule(Stored({ n: 3 }), { delayMs: 60_000, durability: 'required' }),
    ]
    const idle = bus.idle().then(() => happened.push('idle'))
    await new Promise((done) => setImmediate(done))
    expect(happened).toEqual([])
    joining.release()
    await Promise.all([started, idle, ...publishes])
    expect(happened).toEqual(['handled 1', 'handled 2', 'idle'])
    await bus.stop()
  })

  it('R-PUB-4 does so no longer once it is refused', async () => {
    const link = new FaultyStore(memoryPersistence())
    link.refuses = (verb) => verb === 'join'
    const bus = createBus({ persistence: link.persistence, logger: quiet })
    bus.on(Stored, () => {}, { name: 'a' })
    const started = bus.start()
    const refused = bus.publish(Stored({ n: 1 })).catch((error: unknown) => error)
    await bus.idle()
    expect(await refused).toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
    link.refuses = () => false
    await started
    await bus.stop()
  })
})

describe('a schedule that is on its way into the store when its session ends', () => {
  it('R-SES-1 is cancelled as soon as it is there', async () => {
    const link = new FaultyStore(memoryPersistence())
    const bus = createBus({ persistence: link.persistence, logger: quiet })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const append = link.holdAnswer('append')
    const session = bus.session('s')
    const scheduled = session.schedule(Stored({ n: 1 }), { delayMs: 60_000 })
    await append.answer
    await session.end()
    append.release()
    await scheduled
    await expect.poll(async () => (await link.persistence.inspect!.counts()).scheduled).toBe(0)
    await bus.stop()
  })

  it('R-SES-1 is kept if the session detaches its schedules', async () => {
    const link = new FaultyStore(memoryPersistence())
    const bus = createBus({ persistence: link.persistence, logger: quiet })
    bus.on(Stored, () => {}, { name: 'a' })
    await bus.start()
    const append = link.holdAnswer('append')
    const session = bus.session('s')
    const scheduled = session.schedule(Stored({ n: 1 }), { delayMs: 60_000 })
    await append.answer
    await session.end({ schedules: 'detach' })
    append.release()
    await scheduled
    await new Promise((done) => setImmediate(done))
    expect((await link.persistence.inspect!.counts()).scheduled).toBe(1)
    await bus.stop()
  })
})
