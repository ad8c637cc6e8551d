import {
  createBus,
  defineCommand,
  defineEvent,
  type DeadLetterStore,
  type EventMessage,
  type Persistence,
  type StandardSchema,
} from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { describe, expect, it } from 'vitest'
import { CommandDeadLettered, DeadLetterMoved, EventDeadLettered, NonRetryableError } from '../src/index.ts'
import { broken, failing, type GuardedBus, guardedBus, keeping } from './support/guarded-bus.ts'
import { storedBus } from './support/stored-bus.ts'
import { settle } from './support/virtual-clock.ts'

const Placed = defineEvent<{ order: string }>('order.placed')
const Paid = defineEvent<{ order: string }>('order.paid', { durable: true })
const Charge = defineCommand<{ cents: number }>('card.charge')
/** A schema: a text of digits. */
const digits: StandardSchema<string> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      /^\d+$/.test(String(value)) ? { value: String(value) } : { issues: [{ message: 'no digits' }] },
  },
}

const stolen = new NonRetryableError('stolen')

const places = [
  ['in memory', () => guardedBus()],
  ['in a store', () => storedBus()],
] as const

describe.each(places)('dead letters of messages in memory, kept %s', (_place, make) => {
  it('R-DUR-14 keep what is known of an event, and of each attempt', async () => {
    const { bus, guard, clock } = await make()
    const at = clock.now()
    bus.on(Placed, broken(new TypeError('no luck', { cause: lost })).handle, {
      name: 'ship',
      retry: { jitter: 'none' },
    })
    const metadata = { tenant: 't', traceparent: '00-1', tracestate: 'a=b' }
    const event = Placed({ order: '7' }, { metadata, correlationId: 'c', causationId: 'e', sessionId: 'chat-1' })
    await bus.publish(event)
    await clock.advance(700)
    const { entries, next } = await guard.deadLetters.list({ type: Placed })
    expect(next).toBeUndefined()
    expect(entries).toMatchObject([
      {
        kind: 'event',
        id: event.id,
        type: 'order.placed',
        version: 1,
        payload: { order: '7' },
        sessionId: 'chat-1',
        timestamp: event.timestamp,
        correlationId: 'c',
        causationId: 'e',
        metadata,
        traceContext: { traceparent: '00-1', tracestate: 'a=b' },
        reason: 'attempts-exhausted',
        handler: 'ship',
        handlers: [{ name: 'ship', status: 'failed', attempts: 4 }],
        node: `process ${process.pid}`,
        lane: 'chat-1',
        deadAt: at + 700,
        replays: 0,
        edited: undefined,
      },
    ])
    expect(
      entries[0]?.attempts.map(({ handler, error }) => [handler, error.name, error.message, error.failedAt - at]),
    ).toEqual([0, 100, 300, 700].map((after) => ['ship', 'TypeError', 'no luck', after]))
    expect(entries[0]?.attempts[0]?.error).toMatchObject({
      cause: { message: 'connection lost' },
      stack: expect.any(String),
    })
  })

  it('R-DUR-16 keep commands', async () => {
    const { bus, guard } = await make()
    bus.handle(Charge, broken(stolen).handle)
    const command = Charge({ cents: 5 })
    await bus.execute(command)
    const { entries } = await guard.deadLetters.list({ type: Charge })
    expect(entries).toMatchObject([{ kind: 'command', id: command.id, payload: { cents: 5 }, reason: 'not-retryable' }])
  })

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'boom'],
    ['a symbol', Symbol('boom')],
    ['a function', () => 1],
    ['an object without a prototype', Object.create(null)],
    ['ten million characters', new Error('x'.repeat(10_000_000))],
    ['a cycle', Object.assign(new Error('cycle'), { cause: { self: {} } })],
    [
      'getters that throw',
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no')
        },
      }),
    ],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('no')
          },
          getPrototypeOf: () => {
            throw new Error('no')
          },
        },
      ),
    ],
    ['a revoked proxy', revoked()],
  ])('C-46 keep %s that was thrown, without failing', async (_what, error) => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, broken(error).handle, { name: 'ship', retry: false })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toHaveLength(1)
    expect(JSON.stringify(entries[0]?.attempts).length).toBeLessThan(30_000)
  })

  it('C-47 C-50 are replayed: only the handler that failed runs again, with new attempts', async () => {
    const { bus, guard, clock } = await make()
    const beside: number[] = []
    const flaky = failing(stolen)
    bus.on(Placed, flaky.handle, { name: 'ship' })
    bus.on(Placed, () => void beside.push(1), { name: 'count' })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    const [letter] = (await guard.deadLetters.list()).entries
    await expect(guard.deadLetters.replay(letter!.key)).resolves.toEqual({ key: letter!.key, status: 'replayed' })
    await clock.advance(2000)
    expect(flaky.runs).toEqual([1, 1])
    expect(beside).toEqual([1])
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
  })

  it('C-50 that fail again are one letter, with the errors of both lives and a count of replays', async () => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, failing(new NonRetryableError('first'), new NonRetryableError('second')).handle, { name: 'ship' })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    await guard.deadLetters.replay({ type: Placed })
    await clock.advance(2000)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject([{ replays: 1, reason: 'not-retryable', handlers: [{ attempts: 1 }] }])
    expect(entries[0]?.attempts.map(({ error }) => error.message)).toEqual(['first', 'second'])
  })

  it('R-DUR-16 C-47 commands are replayed, and what fails again is one letter', async () => {
    const { bus, guard, clock } = await make()
    const flaky = failing(stolen, stolen)
    bus.handle(Charge, flaky.handle)
    await bus.execute(Charge({ cents: 1 }))
    await guard.deadLetters.replay({ reason: 'not-retryable' })
    await clock.advance(2000)
    const again = await guard.deadLetters.list()
    expect(again.entries).toMatchObject([{ kind: 'command', replays: 1 }])
    await guard.deadLetters.replay(again.entries[0]!.key)
    await clock.advance(2000)
    expect(flaky.runs).toEqual([1, 1, 1])
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
  })

  it('C-52 edited replays handle the edit, and keep the original and who did it', async () => {
    const { bus, guard, clock } = await make()
    const seen: unknown[] = []
    bus.on(
      Placed,
      ({ payload }) => {
        seen.push(payload.order)
        throw stolen
      },
      { name: 'ship' },
    )
    await bus.publish(Placed({ order: 'wrong' }))
    await clock.advance(0)
    await guard.deadLetters.replay({}, { edit: () => ({ order: 'right' }), by: 'ann' })
    await clock.advance(2000)
    expect(seen).toEqual(['wrong', 'right'])
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject([{ payload: { order: 'right' }, edited: { payload: { order: 'wrong' }, by: 'ann' } }])
  })

  it('C-49 of two who replay one letter, one finds it gone; an unknown key is gone too', async () => {
    const { bus, guard, clock } = await make()
    const flaky = failing(stolen)
    bus.on(Placed, flaky.handle, { name: 'ship' })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    const { key } = (await guard.deadLetters.list()).entries[0]!
    const results = await Promise.all([guard.deadLetters.replay(key), guard.deadLetters.replay(key)])
    expect(results.map(({ status }) => status)).toEqual(['replayed', 'gone'])
    await clock.advance(2000)
    expect(flaky.runs).toHaveLength(2)
    await expect(guard.deadLetters.replay('nonsense')).resolves.toEqual({ key: 'nonsense', status: 'gone' })
    await expect(guard.deadLetters.replay('memory:99')).resolves.toEqual({ key: 'memory:99', status: 'gone' })
  })

  it('C-51 a replay of many reports each, and one that fails does not keep the others', async () => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, failing(stolen, stolen, stolen).handle, { name: 'ship' })
    for (const order of ['a', 'b', 'c']) await bus.publish(Placed({ order }))
    await clock.advance(0)
    const failure = new Error('cannot edit this')
    const edits: Record<string, () => unknown> = {
      a: () => ({ order: 'A' }),
      b: () => {
        throw failure
      },
      c: () => ({ order: 'C' }),
    }
    const results = await guard.deadLetters.replay(
      { type: Placed },
      { edit: ({ payload }) => edits[(payload as { order: string }).order]!() },
    )
    expect(results).toMatchObject([
      { status: 'replayed' },
      { status: 'failed', error: failure },
      { status: 'replayed' },
    ])
    await clock.advance(2000)
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ payload: { order: 'b' } }])
  })

  it('are discarded by key and by filter', async () => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    for (const order of ['a', 'b', 'c']) await bus.publish(Placed({ order }, { sessionId: order }))
    await clock.advance(0)
    const [first] = (await guard.deadLetters.list()).entries
    await expect(guard.deadLetters.discard(first!.key)).resolves.toBe(1)
    await expect(guard.deadLetters.discard(first!.key)).resolves.toBe(0)
    await expect(guard.deadLetters.discard({ session: 'c' })).resolves.toBe(1)
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ sessionId: 'b' }])
  })

  it('C-56 are paged by a cursor that comings and goings do not disturb', async () => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    for (let n = 0; n < 5; n++) await bus.publish(Placed({ order: String(n) }))
    await clock.advance(0)
    const first = await guard.deadLetters.list({ limit: 2 })
    await guard.deadLetters.discard(first.entries[1]!.key)
    const second = await guard.deadLetters.list({ limit: 2 }, first.next)
    const third = await guard.deadLetters.list({ limit: 2 }, second.next)
    expect(
      [first, second, third].map(({ entries }) => entries.map(({ payload }) => (payload as { order: string }).order)),
    ).toEqual([['0', '1'], ['2', '3'], ['4']])
    expect(third.next).toBeUndefined()
  })

  it.each([[undefined], [null], [5], [{ session: undefined }], [{ type: {} }], [{ sesion: 's' }], [{ since: 'x' }]])(
    'are neither replayed nor discarded by the filter %o',
    async (filter) => {
      const { bus, guard, clock } = await make()
      bus.on(Placed, broken(stolen).handle, { name: 'ship' })
      await bus.publish(Placed({ order: '1' }))
      await clock.advance(0)
      const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('filter') })
      await expect(guard.deadLetters.discard(filter as never)).rejects.toEqual(refusal)
      await expect(guard.deadLetters.replay(filter as never)).rejects.toEqual(refusal)
      expect(await guard.deadLetters.count()).toMatchObject({ total: 1 })
    },
  )

  it('a filter that was forgotten is told from all letters', async () => {
    const { guard } = await make()
    const why = expect.objectContaining({ message: expect.stringContaining('{}') })
    await expect(guard.deadLetters.discard({ session: undefined })).rejects.toEqual(why)
    await expect(guard.deadLetters.discard({})).resolves.toBe(0)
  })

  it.each([
    [{ limit: 0 }, undefined],
    [{ limit: 1.5 }, undefined],
    [{ since: 'x' }, undefined],
    [null, undefined],
    [{}, 5],
    [{}, 'garbage'],
    [{}, 'memory:garbage'],
  ])('are not listed by filter %o and cursor %o', async (filter, cursor) => {
    const { guard } = await make()
    await expect(guard.deadLetters.list(filter as never, cursor as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('are listed where a property of the filter has no value', async () => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    expect((await guard.deadLetters.list({ session: undefined, limit: 5000 })).entries).toHaveLength(1)
  })

  it('are found by reason, session and time', async () => {
    const { bus, guard, clock } = await make()
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    bus.handle(Charge, broken().handle, { retry: false })
    await bus.publish(Placed({ order: '1' }, { sessionId: 's' }))
    await clock.advance(1000)
    const since = clock.now()
    await bus.execute(Charge({ cents: 1 }))
    const types = async (filter: object): Promise<unknown> =>
      (await guard.deadLetters.list(filter)).entries.map(({ type }) => type)
    expect(await types({ reason: 'failed' })).toEqual(['card.charge'])
    expect(await types({ session: 's' })).toEqual(['order.placed'])
    expect(await types({ since })).toEqual(['card.charge'])
    expect(await types({ until: since })).toEqual(['order.placed'])
    expect(await guard.deadLetters.count()).toEqual({
      total: 2,
      byReason: { failed: 1, 'not-retryable': 1 },
      dropped: 0,
    })
  })

  it('C-57 redaction runs before anything is kept, told or logged', async () => {
    const redacting = {
      redact: {
        payload: () => ({ order: '***' }),
        metadata: () => ({}),
        error: () => new Error('redacted'),
      },
    }
    const { bus, guard, clock, logged, persistence } = (await { 'in memory': guardedBus, 'in a store': storedBus }[
      _place
    ](redacting)) as GuardedBus & { persistence?: ReturnType<typeof memoryPersistence> }
    bus.on(Placed, broken(new NonRetryableError('secret')).handle, { name: 'ship' })
    await bus.publish(Placed({ order: 'secret' }, { metadata: { key: 'secret' } }))
    await clock.advance(0)
    const letters = await guard.deadLetters.list()
    expect(letters.entries).toMatchObject([{ reason: 'not-retryable', payload: { order: '***' }, metadata: {} }])
    expect(
      JSON.stringify([letters, persistence?.snapshot(), bus.errors.map(({ error }) => String(error)), logged]),
    ).not.toContain('secret')
  })

  it.each([
    ['throws', broken().handle],
    ['gives a promise', async () => Promise.reject(new Error('too late'))],
  ])('C-57 what cannot be redacted, since the function %s, is left out, and the letter is kept', async (_how, fail) => {
    const redact = { payload: fail, metadata: fail as never }
    const make = { 'in memory': guardedBus, 'in a store': storedBus }[_place]
    const { bus, guard, clock, logged } = await make({ redact })
    const told: unknown[] = []
    bus.on(EventDeadLettered, ({ payload }) => void told.push(payload.messageType), { name: 'alarm' })
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    await bus.publish(Placed({ order: 'secret' }, { metadata: { key: 'secret' } }))
    await bus.publish(Placed({ order: 'secret' }, { metadata: { key: 'secret' } }))
    await clock.advance(0)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject(Array.from({ length: 2 }, () => ({ payload: undefined, metadata: {} })))
    expect(JSON.stringify(entries)).not.toContain('secret')
    expect(told).toEqual(['order.placed', 'order.placed'])
    expect(logged.filter((line) => line.includes('redact.'))).toHaveLength(1)
  })

  it('R-ERR-3 fault 8, C-55: a failing handler of the events about dead letters sets off nothing', async () => {
    const { bus, guard, clock } = await make()
    let calls = 0
    const fail = (): never => {
      calls++
      throw new Error('the alarm is broken')
    }
    bus.on(EventDeadLettered, fail, { name: 'alarm' })
    bus.on(CommandDeadLettered, fail, { name: 'alarm' })
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    bus.handle(Charge, broken(stolen).handle)
    await bus.publish(Placed({ order: '1' }))
    await bus.execute(Charge({ cents: 1 }))
    await clock.advance(100_000)
    expect(calls).toBe(2)
    expect(await guard.deadLetters.count()).toMatchObject({ total: 2 })
  })

  it('are announced, with who failed and why', async () => {
    const { bus, clock } = await make()
    const told: unknown[] = []
    bus.on(EventDeadLettered, ({ payload, causationId }) => void told.push({ ...payload, causationId }))
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    const event = Placed({ order: '1' })
    await bus.publish(event)
    await clock.advance(0)
    expect(told).toEqual([
      {
        messageId: event.id,
        causationId: event.id,
        messageType: 'order.placed',
        sessionId: 'BUS',
        handler: 'ship',
        reason: 'not-retryable',
        attempts: 1,
        error: { name: 'NonRetryableError', message: 'stolen' },
      },
    ])
  })

  it('replays and discards are on the record', async () => {
    const { bus, guard, clock, logged } = await make()
    const moved: unknown[] = []
    bus.on(DeadLetterMoved, ({ payload }) => void moved.push(payload))
    bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    const { key } = (await guard.deadLetters.list()).entries[0]!
    await guard.deadLetters.discard(key, { by: 'ann' })
    await settle()
    expect(moved).toEqual([{ key, action: 'discarded', by: 'ann' }])
    expect(logged.join()).toContain(`${key} was discarded by ann`)
  })
})

describe('in memory', () => {
  it('payloads that are no plain data survive, and are replayed as they were', async () => {
    const { bus, guard, clock } = await storedBus()
    const Odd = defineEvent<Map<string, () => number>>('odd')
    const seen: unknown[] = []
    const flaky = failing(stolen)
    bus.on(Odd, (event, context) => (seen.push(event.payload), flaky.handle(event, context)), { name: 'h' })
    const payload = new Map([['a', () => 1]])
    await bus.publish(Odd(payload))
    await clock.advance(0)
    await guard.deadLetters.replay({})
    await clock.advance(0)
    expect(seen).toEqual([payload, payload])
  })

  it('a handler without a name is found again too', async () => {
    const { bus, guard, clock } = await storedBus()
    const flaky = failing(stolen)
    bus.on(Placed, (event, context) => flaky.handle(event, context))
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ isStored: false }])
    await guard.deadLetters.replay({})
    await clock.advance(0)
    expect(flaky.runs).toEqual([1, 1])
  })

  it('C-51 ten thousand are replayed, each reported, and one that fails does not keep the others', async () => {
    const { bus, guard, clock } = await guardedBus({ lettersInMemory: 10_000, retry: false })
    let works = false
    let handled = 0
    bus.on(Placed, () => {
      if (!works) throw new Error('no luck')
      handled++
    })
    for (let n = 0; n < 10_000; n++) await bus.publish(Placed({ order: String(n) }))
    await clock.advance(0)
    works = true
    const refuse = (): never => {
      throw new Error('not this one')
    }
    const edits = new Map<unknown, () => never>([['5000', refuse]])
    const results = await guard.deadLetters.replay(
      {},
      {
        edit: ({ payload }) => edits.get((payload as { order: string }).order)?.() ?? payload,
      },
    )
    await bus.idle()
    expect(results.filter(({ status }) => status === 'replayed')).toHaveLength(9999)
    expect(results.filter(({ status }) => status === 'failed')).toHaveLength(1)
    expect(handled).toBe(9999)
    expect(await guard.deadLetters.count()).toMatchObject({ total: 1 })
  }, 30_000)

  it('fault 4: when they are full the oldest leave, counted, and nobody ever waits', async () => {
    const { bus, guard, clock, logged } = await guardedBus({ lettersInMemory: 3 })
    bus.handle(Charge, broken(stolen).handle)
    for (let cents = 0; cents < 10; cents++) {
      await expect(bus.execute(Charge({ cents }))).resolves.toMatchObject({ success: false })
    }
    await clock.advance(0)
    const { entries } = await guard.deadLetters.list()
    expect(entries.map(({ payload }) => payload)).toEqual([{ cents: 7 }, { cents: 8 }, { cents: 9 }])
    expect(await guard.deadLetters.count()).toMatchObject({ total: 3, dropped: 7 })
    expect(logged.filter((line) => line.includes('full'))).toHaveLength(1)
    expect(bus.health().warnings).toMatchObject([{ code: 'DEAD_LETTERS_DROPPED' }])
  })

  const letterOf = async (kind: 'event' | 'command') => {
    const made = await guardedBus()
    const { bus, guard, clock } = made
    const on = bus.on(Placed, broken(stolen).handle, { name: 'ship' })
    const handle = bus.handle(Charge, broken(stolen).handle)
    await { event: () => bus.publish(Placed({ order: '1' })), command: () => bus.execute(Charge({ cents: 1 })) }[kind]()
    await clock.advance(0)
    const [letter] = (await guard.deadLetters.list()).entries
    const registration = { event: on, command: handle }[kind]
    return { ...made, registration, letter: letter! }
  }

  it.each(['event', 'command'] as const)('R-DUR-14 the letter whose handler is gone stays: %s', async (kind) => {
    const { bus, guard, clock, registration, letter } = await letterOf(kind)
    registration.remove()
    bus.on(Placed, () => undefined, { name: 'another' })
    const result = await guard.deadLetters.replay(letter.key)
    await clock.advance(0)
    expect(result).toMatchObject({ key: letter.key, status: 'no-handler', error: { code: 'NO_HANDLER' } })
    expect((await guard.deadLetters.list()).entries).toEqual([letter])
  })

  it.each(['event', 'command'] as const)('R-DUR-14 the letter on a stopped bus stays: %s', async (kind) => {
    const { bus, guard, letter } = await letterOf(kind)
    await bus.stop()
    const result = await guard.deadLetters.replay(letter.key)
    expect(result).toMatchObject({ key: letter.key, status: 'refused', error: { code: 'BUS_STOPPED' } })
    expect((await guard.deadLetters.list()).entries).toEqual([letter])
  })

  it('R-DUR-14 the letter of an event whose handler goes while it is replayed comes back', async () => {
    const { bus, guard, clock, registration, letter } = await letterOf('event')
    const Busy = defineEvent('busy')
    const { promise, resolve } = Promise.withResolvers<void>()
    bus.on(Busy, () => promise)
    await bus.publish(Busy())
    const result = await guard.deadLetters.replay(letter.key)
    registration.remove()
    resolve()
    expect(result).toMatchObject({ status: 'replayed' })
    await clock.advance(0)
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ id: letter.id }])
  })

  it('R-DUR-14 the letter of an edit that is refused is there once, also after the bus has stopped', async () => {
    const { bus, guard, clock } = await guardedBus()
    const Sum = defineEvent('sum', { schema: digits })
    bus.on(Sum, broken(stolen).handle, { name: 'add' })
    await bus.publish(Sum('1'))
    await clock.advance(0)
    const results = await guard.deadLetters.replay({}, { edit: () => 'no digits' })
    expect(results).toMatchObject([{ status: 'failed', error: { code: 'INVALID_PAYLOAD' } }])
    await bus.stop()
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ payload: '1' }])
  })

  it('a replay that stop() ends is back among the letters', async () => {
    const { bus, guard, clock } = await guardedBus()
    let runs = 0
    bus.on(Placed, async () => {
      if (++runs === 1) throw stolen
      await new Promise(() => undefined)
    })
    await bus.publish(Placed({ order: '1' }))
    await clock.advance(0)
    await guard.deadLetters.replay({})
    await clock.advance(0)
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
    const stopped = bus.stop({ timeoutMs: 0 })
    await clock.advance(0)
    await stopped
    expect(await guard.deadLetters.count()).toMatchObject({ total: 1 })
  })
})

describe('C-54 a store that does not take letters', () => {
  const unreachable = (): { readonly persistence: Persistence; heal: () => void } => {
    const { events, deadLetters } = memoryPersistence()
    const trouble = Promise.withResolvers<void>()
    let isDown = true
    const own: DeadLetterStore = {
      contract: 'dead-letter-store/1',
      durable: false,
      add: (letter) => (isDown ? Promise.reject(new Error('down')) : deadLetters!.add(letter)),
      list: (query) => deadLetters!.list(query),
      get: (key) => deadLetters!.get(key),
      count: () => deadLetters!.count(),
      replay: (key, edit) => deadLetters!.replay(key, edit),
      discard: (keys) => deadLetters!.discard(keys),
    }
    trouble.resolve()
    return { persistence: { events, deadLetters: own }, heal: () => void (isDown = false) }
  }

  it('loses none, keeps nobody waiting, says so in health, and gets them when it is back', async () => {
    const { persistence, heal } = unreachable()
    const { bus, guard, clock } = await guardedBus({}, { persistence })
    bus.handle(Charge, broken(stolen).handle)
    await bus.execute(Charge({ cents: 1 }))
    await bus.execute(Charge({ cents: 2 }))
    await settle()
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ isStored: false }, { isStored: false }])
    expect(bus.health().warnings).toMatchObject([{ code: 'DEAD_LETTERS_UNSAVED' }])
    await clock.advance(5000)
    expect(bus.health().warnings).toHaveLength(1)
    heal()
    await clock.advance(5000)
    expect((await guard.deadLetters.list()).entries).toMatchObject([{ isStored: true }, { isStored: true }])
    expect(bus.health().warnings).toEqual([])
  })
})

describe('stored events', () => {
  it.each([
    ['not-retryable', stolen, {}],
    ['attempts-exhausted', new Error('no luck'), { retry: { maxRetries: 2, jitter: 'none' } }],
    ['failed', new Error('no luck'), { retry: false }],
  ] as const)(
    'R-DUR-14 go to the dead letters of the store as %s, and are announced',
    async (reason, error, options) => {
      const { bus, guard, clock } = await storedBus()
      const told: unknown[] = []
      bus.on(EventDeadLettered, ({ payload }) => void told.push(payload))
      bus.on(Paid, broken(error).handle, { name: 'ship', ...options })
      await bus.publish(Paid({ order: '1' }))
      await clock.advance(10_000)
      const { entries } = await guard.deadLetters.list({ type: Paid })
      expect(entries).toMatchObject([{ reason, handler: 'ship', isStored: true, payload: { order: '1' } }])
      expect(told).toMatchObject([{ reason, handler: 'ship', messageId: entries[0]!.id }])
    },
  )

  it('C-47 C-50 are replayed, with the attempts of both lives in one letter', async () => {
    const { bus, guard, clock } = await storedBus({ retry: { maxRetries: 1, jitter: 'none' } })
    const handler = broken(new Error('no luck'))
    bus.on(Paid, handler.handle, { name: 'ship' })
    await bus.publish(Paid({ order: '1' }))
    await clock.advance(5000)
    await guard.deadLetters.replay({ type: Paid })
    await clock.advance(5000)
    const { entries } = await guard.deadLetters.list()
    expect(entries).toMatchObject([{ replays: 1, handlers: [{ attempts: 2 }] }])
    expect(entries[0]?.attempts).toHaveLength(4)
    expect(handler.runs).toBe(4)
  })

  it('discarded ones are handled, and gone', async () => {
    const { bus, guard, clock, persistence } = await storedBus({ recover: () => ({ action: 'discard' }) })
    bus.on(Paid, broken().handle, { name: 'ship' })
    await bus.publish(Paid({ order: '1' }))
    await clock.advance(5000)
    expect(await guard.deadLetters.count()).toMatchObject({ total: 0 })
    expect(await persistence.inspect.counts()).toMatchObject({ ready: 0, running: 0, dead: 0, deadLetters: 0 })
    expect(bus.errors).toHaveLength(1)
  })

  it('long waits are waited for in the store, short ones here', async () => {
    const { bus, clock, persistence } = await storedBus({
      retry: { initialDelayMs: 500, factor: 10, maxDelayMs: 60_000, jitter: 'none' },
    })
    const handler = broken(new Error('no luck'))
    bus.on(Paid, handler.handle, { name: 'ship' })
    await bus.publish(Paid({ order: '1' }))
    await clock.advance(100)
    expect(await persistence.inspect.counts()).toMatchObject({ running: 1, scheduled: 0 })
    await clock.advance(1000)
    expect(handler.runs).toBe(2)
    expect(await persistence.inspect.counts()).toMatchObject({ running: 0, scheduled: 1 })
    await clock.advance(7000)
    expect(handler.runs).toBe(3)
  })

  it('what has expired is a letter, and is announced', async () => {
    const { bus, guard, clock } = await storedBus()
    const told: unknown[] = []
    bus.on(EventDeadLettered, ({ payload }) => void told.push(payload.reason))
    await bus.publish(Paid({ order: '2' }), { expiresInMs: 1000 })
    await clock.advance(2000)
    bus.on(Paid, () => undefined, { name: 'ship' })
    await clock.advance(2000)
    expect((await guard.deadLetters.list({ reason: 'expired' })).entries).toMatchObject([{ payload: { order: '2' } }])
    expect(told).toEqual(['expired'])
  })

  it('R-DUR-9 what cannot be read is shown beside the letters', async () => {
    const { guard, persistence } = await storedBus()
    expect(await guard.deadLetters.aside('undecodable')).toEqual(
      await persistence.inspect.list({ state: 'undecodable' }),
    )
  })
})

it('memory stays bounded while many fail', async () => {
  const { bus, guard, clock } = await guardedBus({ lettersInMemory: 10, retry: false })
  bus.on(Placed, broken().handle, { name: 'ship' })
  for (let n = 0; n < 20_000; n++) await bus.publish(Placed({ order: String(n) }))
  await clock.advance(0)
  expect(await guard.deadLetters.count()).toMatchObject({ total: 10, dropped: 19_990 })
  expect(guard.handlerStats()).toMatchObject([{ executions: 20_000, failures: 20_000, consecutiveFailures: 20_000 }])
})

const lost = new Error('connection lost')

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

it('R-DUR-11 what the store gives up by itself, since a process died, is announced, counted and logged', async () => {
  const { bus, clock, persistence, logged } = await storedBus()
  const Once = defineEvent<number>('card.charged', { durable: true, onCrash: 'fail' })
  const told: EventMessage[] = []
  bus.on(EventDeadLettered, (event) => void told.push(event))
  const publisher = createBus({ persistence, clock, logger: keeping() })
  const { id } = await publisher.publish(Once(5, { correlationId: 'order 7', sessionId: 's' }))
  const { worker } = await persistence.events.join({ name: 'about to die' })
  const type = { type: 'card.charged', version: 1, handlers: ['charge'] }
  await persistence.events.claim({ worker, types: [type], limit: 1, start: 1, laneLimit: 1, serialLimit: 1 })
  await clock.advance(10_000)
  expect(told).toMatchObject([
    {
      sessionId: 's',
      correlationId: 'order 7',
      payload: { messageId: id, messageType: 'card.charged', reason: 'interrupted', handler: undefined },
    },
  ])
  expect(logged).toEqual(["A stored 'card.charged' was given up, because its process ended: interrupted"])
  await publisher.stop()
})
