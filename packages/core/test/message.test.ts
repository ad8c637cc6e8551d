import { describe, expect, it } from 'vitest'
import { BUS, createBus, defineCommand, defineEvent, type EventMessage, type Message, unwrap } from '../src/index.ts'
import { messageId } from '../src/message-id.ts'
import { digits } from './support/schemas.ts'
import { recordingLogger } from './support/recording-logger.ts'

const Placed = defineEvent<{ orderId: string }>('order.placed')
const Place = defineCommand<{ sku: string }, string>('order.place')

const json = <M extends Message>(message: M): M => JSON.parse(JSON.stringify(message)) as M

describe('the envelope', () => {
  it('has defaults for everything but the payload', () => {
    const before = Date.now()
    const event = Placed({ orderId: '1' })
    expect(event).toMatchObject({
      kind: 'event',
      type: 'order.placed',
      version: 1,
      payload: { orderId: '1' },
      sessionId: BUS,
      correlationId: event.id,
      causationId: undefined,
      metadata: {},
    })
    expect(event.timestamp).toBeGreaterThanOrEqual(before)
    expect(event.timestamp).toBeLessThanOrEqual(Date.now())
    expect(Place({ sku: 'a' }).kind).toBe('command')
  })

  it('takes what it is given', () => {
    const given = { sessionId: 's', correlationId: 'c', causationId: 'b', metadata: { tenant: 'x' } }
    expect(Placed({ orderId: '1' }, given)).toMatchObject(given)
  })

  it('may do without a payload', () => {
    expect(defineEvent('empty')().payload).toBeUndefined()
    expect(defineEvent('empty')(undefined, { sessionId: 's' }).sessionId).toBe('s')
  })

  it('goes through JSON and back without loss', () => {
    const event = Placed(
      { orderId: '1' },
      { sessionId: 's', causationId: 'b', metadata: { tags: ['a'], deep: { n: 1 } } },
    )
    const copy = json(event)
    expect(copy).toEqual({ ...event })
    expect(Object.keys(copy).toSorted()).toEqual(
      [
        'kind',
        'id',
        'type',
        'version',
        'payload',
        'sessionId',
        'timestamp',
        'correlationId',
        'causationId',
        'metadata',
      ].toSorted(),
    )
  })
})

describe('ids', () => {
  const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

  it('are UUIDs of version 7, unique, and in the order of creation', () => {
    const ids = Array.from({ length: 50_000 }, () => Placed({ orderId: '' }).id)
    expect(ids.every((id) => UUID_V7.test(id))).toBe(true)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.toSorted()).toEqual(ids)
  })

  it('carry the time of creation', () => {
    const { id, timestamp } = Placed({ orderId: '' })
    const time = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
    expect(Math.abs(time - timestamp)).toBeLessThan(1000)
  })

  it('keep their order when the clock is set back, and when more are made than a millisecond can number', () => {
    const far = Date.now() + 1_000_000
    const ids = [messageId(far), messageId(far - 5000), messageId(far + 1)]
    ids.push(...Array.from({ length: 10_000 }, () => messageId(far + 1)), messageId(far + 2), messageId(far + 50))
    expect(ids.every((id) => UUID_V7.test(id))).toBe(true)
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('with', () => {
  it('copies with changes; the rest, and the original, stay', () => {
    const event = Placed({ orderId: '1' }, { sessionId: 's', correlationId: 'c', metadata: { a: 1 } })
    const copy = Placed.with(event, { payload: { orderId: '2' }, metadata: { b: 2 } })
    expect(copy).toEqual({ ...event, payload: { orderId: '2' }, metadata: { b: 2 } })
    expect(copy.id).toBe(event.id)
    expect(event.payload).toEqual({ orderId: '1' })
    expect(Placed.with(event, { sessionId: 't', causationId: 'z' })).toMatchObject({ sessionId: 't', causationId: 'z' })
  })

  it('can make the payload undefined', () => {
    const Maybe = defineEvent<string | undefined>('maybe')
    expect(Maybe.with(Maybe('x'), { payload: undefined }).payload).toBeUndefined()
  })

  it('makes a message that can be published', async () => {
    const bus = createBus()
    const seen: unknown[] = []
    bus.on(Placed, ({ payload }) => void seen.push(payload.orderId))
    await bus.start()
    await bus.publishAndWait(Placed.with(Placed({ orderId: '1' }), { payload: { orderId: '2' } }))
    expect(seen).toEqual(['2'])
  })
})

describe('the conversation', () => {
  it('context.publish, publishAndWait and schedule carry correlation, causation and session on', async () => {
    const bus = createBus()
    const Next = defineEvent<string>('next')
    const seen: Record<string, unknown>[] = []
    bus.on(Next, ({ payload, correlationId, causationId, sessionId }) => {
      seen.push({ payload, correlationId, causationId, sessionId })
    })
    bus.on(Placed, async (_event, context) => {
      await context.publish(Next('publish'))
      await context.publishAndWait(Next('wait'))
      await context.schedule(Next('schedule'), { delayMs: 0 })
      await context.publish(Next('own', { correlationId: 'c', causationId: 'b', sessionId: 's' }))
    })
    await bus.start()
    const cause = Placed({ orderId: '1' }, { correlationId: 'talk', sessionId: 'chat' })
    await bus.publish(cause)
    const scheduled = bus.next(Next, ({ payload }) => payload === 'schedule')
    await Promise.all([scheduled, bus.idle()])
    await bus.idle()
    const carried = { correlationId: 'talk', causationId: cause.id, sessionId: 'chat' }
    expect(seen).toHaveLength(4)
    expect(seen).toEqual(
      expect.arrayContaining([
        { payload: 'publish', ...carried },
        { payload: 'wait', ...carried },
        { payload: 'schedule', ...carried },
        { payload: 'own', correlationId: 'c', causationId: 'b', sessionId: 's' },
      ]),
    )
    await bus.stop()
  })

  it('a chain of events keeps the first correlation and names each direct cause', async () => {
    const bus = createBus()
    const Step = defineEvent<number>('step')
    const chain: EventMessage[] = []
    bus.on(Step, async (event, context) => {
      chain.push(event)
      await (event.payload < 3 ? context.publish(Step(event.payload + 1)) : undefined)
    })
    await bus.start()
    await bus.publish(Step(0))
    await bus.idle()
    expect(chain.map(({ correlationId }) => correlationId)).toEqual(chain.map(() => chain[0]!.id))
    expect(chain.map(({ causationId }) => causationId)).toEqual([undefined, ...chain.slice(0, 3).map(({ id }) => id)])
  })
})

describe('from JSON', () => {
  it('an event finds its definition by type: schema and handlers', async () => {
    const Amount = defineEvent('amount', { schema: digits })
    const bus = createBus()
    const seen: unknown[] = []
    bus.on(Amount, ({ payload, id }) => void seen.push({ payload, id }))
    await bus.start()
    const event = json(Amount('42'))
    await bus.publishAndWait(event)
    expect(seen).toEqual([{ payload: 42, id: event.id }])
    await expect(bus.publish({ ...event, payload: 'x' })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  })

  it('a command finds its definition by type', async () => {
    const bus = createBus()
    bus.handle(Place, ({ payload }) => payload.sku)
    expect(unwrap(await bus.execute(json(Place({ sku: 'a' }))))).toBe('a')
  })

  it('an event of a type that nobody defined here goes to pattern handlers', async () => {
    const bus = createBus()
    const seen: unknown[] = []
    bus.onPattern('**', ({ type, payload }) => void seen.push({ type, payload }))
    await bus.start()
    await bus.publishAndWait(json(Placed({ orderId: '1' })))
    expect(seen).toEqual([{ type: 'order.placed', payload: { orderId: '1' } }])
  })

  it('the real definition can be learned after such an event, though a context or middleware copied it', async () => {
    const bus = createBus()
    const Trigger = defineEvent('trigger')
    const seen: unknown[] = []
    bus.use({ publish: (_event, next) => next({ metadata: { traced: true } }) })
    bus.on(Trigger, (_event, context) => context.publish(json(Placed({ orderId: '1' }))))
    bus.onPattern('order.*', (event, context) => context.publish({ ...event, type: 'forwarded' }))
    await bus.start()
    await bus.publish(Trigger())
    await bus.idle()
    bus.on(Placed, ({ payload }) => void seen.push(payload))
    await bus.publishAndWait(Placed({ orderId: '2' }))
    expect(seen).toEqual([{ orderId: '2' }])
  })

  it('an event that arrived without a definition can be forwarded to a bus that knows it', async () => {
    const [gateway, desk] = [createBus(), createBus()]
    const seen: unknown[] = []
    const Trigger = defineEvent('trigger')
    desk.on(Placed, ({ payload }) => void seen.push(payload))
    gateway.on(Trigger, (_event, context) => context.publish(json(Placed({ orderId: '1' }))))
    gateway.onPattern('order.**', (event) => desk.publish(event))
    await Promise.all([gateway.start(), desk.start()])
    await gateway.publish(Trigger())
    await gateway.idle()
    await desk.idle()
    expect(gateway.errors).toEqual([])
    expect(seen).toEqual([{ orderId: '1' }])
  })

  it.each([
    ['null', null],
    ['a text', 'order.placed'],
    ['a definition', Placed],
    ['a command', Place({ sku: 'a' })],
    ['an empty object', {}],
    ['no id', { kind: 'event', type: 'order.placed', sessionId: BUS, payload: 1, version: 1 }],
    ['no session', { kind: 'event', type: 'order.placed', id: '1', payload: 1, version: 1 }],
    ['no type', { kind: 'event', id: '1', sessionId: BUS, payload: 1, version: 1 }],
    ['a type with spaces', { kind: 'event', type: 'order placed', id: '1', sessionId: BUS, payload: 1, version: 1 }],
  ])('%s is refused with INVALID_ARGUMENT', async (_name, given) => {
    const bus = createBus({ logger: recordingLogger() })
    await expect(bus.publish(given as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(bus.stats()).toMatchObject({ offered: 1, rejected: 1 })
  })
})

describe('versions', () => {
  const V1 = defineEvent<{ name: string }>('person')
  const V3 = defineEvent<{ first: string; last: string; age: number }>('person', {
    version: 3,
    upcast: {
      1: ({ name }: { name: string }) => ({ first: name.split(' ')[0], last: name.split(' ')[1] }),
      2: (old: object) => ({ ...old, age: 0 }),
    },
  })

  it('an older version is upcast step by step, also from JSON', async () => {
    const bus = createBus()
    const seen: unknown[] = []
    bus.on(V3, ({ payload, version }) => void seen.push({ payload, version }))
    await bus.start()
    await bus.publishAndWait(json(V1({ name: 'Ada Lovelace' })))
    expect(seen).toEqual([{ payload: { first: 'Ada', last: 'Lovelace', age: 0 }, version: 3 }])
  })

  it('an upcast that changes nothing still gives the new version', async () => {
    const Same = defineEvent<{ name: string; nick?: string }>('person', { version: 2, upcast: { 1: (old) => old } })
    const bus = createBus()
    const versions: number[] = []
    bus.on(Same, ({ version }) => void versions.push(version))
    await bus.start()
    await bus.publishAndWait(json(V1({ name: 'Ada' })))
    expect(versions).toEqual([2])
  })

  it('what an upcast gives goes through the schema', async () => {
    const Amount = defineEvent('amount', { schema: digits, version: 2, upcast: { 1: (old: number) => `${old}` } })
    const Old = defineEvent<number>('amount')
    const bus = createBus()
    const seen: unknown[] = []
    bus.on(Amount, ({ payload, version }) => void seen.push({ payload, version }))
    await bus.start()
    await bus.publishAndWait(json(Old(5)))
    expect(seen).toEqual([{ payload: 5, version: 2 }])
    await expect(bus.publish(json(Old(-5)))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  })

  it('commands are upcast too', async () => {
    const Old = defineCommand<string, number>('measure')
    const New = defineCommand<{ text: string }, number>('measure', { version: 2, upcast: { 1: (text) => ({ text }) } })
    const bus = createBus()
    bus.handle(New, ({ payload }) => payload.text.length)
    expect(unwrap(await bus.execute(json(Old('four'))))).toBe(4)
  })

  it.each([
    ['newer than the definition', 4, /newer/],
    ['older than the upcasts reach', 0, /upcast/],
    ['no version', undefined, /version/],
  ])('%s is refused with UNKNOWN_VERSION', async (_name, version, message) => {
    const bus = createBus()
    bus.on(V3, () => undefined)
    const event = { ...json(V1({ name: 'x y' })), version } as never
    await expect(bus.publish(event)).rejects.toMatchObject({
      code: 'UNKNOWN_VERSION',
      message: expect.stringMatching(message),
    })
  })

  it('an upcast that throws gives INVALID_PAYLOAD with the cause', async () => {
    const bus = createBus()
    bus.on(V3, () => undefined)
    await expect(bus.publish(json(V1({} as never)))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      cause: expect.any(TypeError),
    })
  })
})

describe('definitions', () => {
  it('two of one type on one bus are a TYPE_CONFLICT, wherever they meet', async () => {
    const Twin = defineEvent<{ orderId: string }>('order.placed')
    const bus = createBus()
    bus.on(Placed, () => undefined)
    const conflict = { code: 'TYPE_CONFLICT', message: expect.stringContaining("'order.place") }
    expect(() => bus.on(Twin, () => undefined)).toThrow(expect.objectContaining(conflict))
    await expect(bus.publish(Twin({ orderId: '1' }))).rejects.toMatchObject(conflict)
    await expect(bus.publishAndWait(Twin({ orderId: '1' }))).rejects.toMatchObject(conflict)
    await expect(bus.schedule(Twin({ orderId: '1' }), { delayMs: 1 })).rejects.toMatchObject(conflict)
    bus.handle(Place, () => 'x')
    const TwinCommand = defineCommand<{ sku: string }, string>('order.place')
    await expect(bus.execute(TwinCommand({ sku: 'a' }))).resolves.toMatchObject({ success: false, error: conflict })
    expect(() => bus.handle(TwinCommand, () => 'x')).toThrow(expect.objectContaining(conflict))
  })

  it('an event and a command of one type conflict as well', () => {
    const bus = createBus()
    bus.on(Placed, () => undefined)
    expect(() => bus.handle(defineCommand('order.placed'), () => undefined)).toThrow(
      expect.objectContaining({ code: 'TYPE_CONFLICT' }),
    )
  })

  it('two buses may know one type by different definitions', async () => {
    const Twin = defineEvent<{ orderId: string }>('order.placed')
    const [a, b] = [createBus(), createBus()]
    await expect(a.publish(Placed({ orderId: '1' }))).resolves.toMatchObject({ status: 'accepted' })
    await expect(b.publish(Twin({ orderId: '1' }))).resolves.toMatchObject({ status: 'accepted' })
  })

  it.each(['', 'two words', 'a..b', '.a', 'a.', 'a.*', '**', undefined, 7])('refuse the type %j', (type) => {
    expect(() => defineEvent(type as string)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => defineCommand(type as string)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it.each([0, -1, 1.5, Number.NaN, '1'])('refuse the version %j', (version) => {
    expect(() => defineEvent('a', { version: version as number })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('refuse a schema that is none', () => {
    expect(() => defineEvent('a', { schema: { parse: () => 1 } as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('Standard Schema') }),
    )
  })

  it('are what on and handle want, and they say so', () => {
    const bus = createBus()
    const invalid = { code: 'INVALID_ARGUMENT' }
    expect(() => bus.on('order.placed' as unknown as typeof Placed, () => undefined)).toThrow(
      expect.objectContaining(invalid),
    )
    expect(() => bus.on(Place as unknown as typeof Placed, () => undefined)).toThrow(expect.objectContaining(invalid))
    expect(() => bus.handle(Placed as never, () => undefined)).toThrow(expect.objectContaining(invalid))
    expect(() => bus.on(Placed, 'handler' as never)).toThrow(expect.objectContaining(invalid))
    expect(() => bus.on(Placed, undefined as never)).toThrow(expect.objectContaining(invalid))
  })
})

describe('a definition that no database could keep', () => {
  it.each(['order.\0placed', 'order.\u001Bplaced', 'order.\uD83D', '\uDE00.placed'])(
    'R-DUR-9 is refused where it is made: the type %j',
    (type) => {
      const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as unknown
      expect(() => defineEvent(type)).toThrow(refused)
      expect(() => defineCommand(type)).toThrow(refused)
    },
  )

  it.each([2 ** 31, 2 ** 53 - 1, Infinity])('R-DUR-9 is refused where it is made: version %d', (version) => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as unknown
    expect(() => defineEvent('order.kept', { version })).toThrow(refused)
    expect(() => defineCommand('order.keep', { version })).toThrow(refused)
  })

  it('R-DUR-9 is not one with signs beyond the basic plane, or the last version', () => {
    expect(defineEvent('order.😀', { version: 2 ** 31 - 1 })(undefined)).toMatchObject({ version: 2_147_483_647 })
  })
})
