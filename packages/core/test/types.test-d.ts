import {
  type Bus,
  BusError,
  type BusOptions,
  type CommandContext,
  type CommandMessage,
  type CommandResult,
  createBus,
  defineCommand,
  defineEvent,
  type EventContext,
  type EventFilter,
  type EventMessage,
  type EventOutcome,
  type HandlerFailure,
  type HandlerOutcome,
  type Message,
  type Middleware,
  type Observer,
  type PublishReceipt,
  type ScheduledEvent,
  type StandardSchema,
  type StopReport,
  SessionEnded,
  EventHandlerFailed,
  type,
  unwrap,
} from '@buslane/core'
import { assertType, describe, expectTypeOf, it } from 'vitest'

const bus: Bus = createBus()
const session = bus.session('chat')

/** Takes text, gives a number. */
declare const digits: StandardSchema<string, number>

const Placed = defineEvent<{ orderId: string }>('order.placed')
const Empty = defineEvent('empty')
const Parsed = defineEvent('parsed', { schema: digits })
const Kept = defineEvent<{ n: number }>('kept', { durable: true })
const KeptParsed = defineEvent('kept.parsed', { schema: digits, durable: true })

const Place = defineCommand<{ sku: string }, { orderId: string }>('order.place')
const Plain = defineCommand('plain')
const Checked = defineCommand('checked', { schema: digits, resultSchema: type<{ orderId: string }>() })
const NoResult = defineCommand('no.result', { schema: digits })
const OnlyResult = defineCommand('only.result', { resultSchema: digits })

describe('events', () => {
  it('the creator takes the payload of the definition, and gives it', () => {
    expectTypeOf(Placed({ orderId: '1' })).toEqualTypeOf<EventMessage<{ orderId: string }>>()
    expectTypeOf(Placed({ orderId: '1' }).payload).toEqualTypeOf<{ orderId: string }>()
    expectTypeOf(Empty().payload).toEqualTypeOf<undefined>()
    // @ts-expect-error the payload is missing
    Placed()
    // @ts-expect-error the payload is another
    Placed({ order: 1 })
    // @ts-expect-error there is no payload
    Empty({ some: 'thing' })
  })

  it('with a schema the creator takes its input, handlers get its output', () => {
    expectTypeOf(Parsed('1').payload).toEqualTypeOf<string>()
    bus.on(Parsed, ({ payload }) => expectTypeOf(payload).toEqualTypeOf<number>())
    session.on(Parsed, ({ payload }) => expectTypeOf(payload).toEqualTypeOf<number>())
    bus.on(KeptParsed, ({ payload }) => expectTypeOf(payload).toEqualTypeOf<number>(), { name: 'a' })
    // @ts-expect-error the input is text
    Parsed(1)
  })

  it('handlers get payload and context without annotations', () => {
    bus.on(Placed, (event, context) => {
      expectTypeOf(event).toEqualTypeOf<EventMessage<{ orderId: string }>>()
      expectTypeOf(context).toEqualTypeOf<EventContext>()
      expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
      expectTypeOf(context.publish(Placed({ orderId: '1' }))).toEqualTypeOf<Promise<PublishReceipt>>()
      expectTypeOf(context.execute(Place({ sku: 'a' }))).toEqualTypeOf<Promise<CommandResult<{ orderId: string }>>>()
    })
  })

  it('a handler of another payload does not compile', () => {
    // @ts-expect-error the payload is { orderId }
    bus.on(Placed, (event: EventMessage<{ other: number }>) => event)
    // @ts-expect-error the payload is { orderId }
    session.on(Placed, ({ payload }: EventMessage<string>) => payload)
    // @ts-expect-error handlers get the output of the schema
    bus.on(Parsed, (event: EventMessage<string>) => event)
    // @ts-expect-error there is no such property
    bus.on(Placed, ({ payload }) => payload.other)
    // @ts-expect-error a command has no event handlers
    bus.on(Place, () => undefined)
    // @ts-expect-error a type is a definition, not a text
    bus.on('order.placed', () => undefined)
  })

  it('a handler that takes more than it gets is fine', () => {
    bus.on(Placed, (event: EventMessage) => event)
    bus.on(Placed, (event: Message) => event)
    bus.on(Placed, (event: EventMessage<{ orderId: string } | string>) => event)
  })

  it('messages are readonly', () => {
    const event = Placed({ orderId: '1' })
    // @ts-expect-error readonly
    event.payload = { orderId: '2' }
    // @ts-expect-error readonly
    event.id = '2'
    // @ts-expect-error readonly
    event.metadata['a'] = 1
  })

  it('with copies, and knows what may be changed', () => {
    const event = Placed({ orderId: '1' })
    expectTypeOf(Placed.with(event, { payload: { orderId: '2' } })).toEqualTypeOf<EventMessage<{ orderId: string }>>()
    expectTypeOf(Place.with(Place({ sku: 'a' }), { sessionId: 's' })).toEqualTypeOf<
      CommandMessage<{ sku: string }, { orderId: string }>
    >()
    // @ts-expect-error another payload
    Placed.with(event, { payload: 1 })
    // @ts-expect-error the id stays
    Placed.with(event, { id: '2' })
  })

  it('next and events give the output of the schema', () => {
    expectTypeOf(bus.next(Placed)).resolves.toEqualTypeOf<EventMessage<{ orderId: string }>>()
    expectTypeOf(bus.next(Parsed, ({ payload }) => payload > 1)).resolves.toEqualTypeOf<EventMessage<number>>()
    expectTypeOf(bus.events(Parsed)).toExtend<AsyncIterable<EventMessage<number>>>()
    // @ts-expect-error the payload is a number
    void bus.next(Parsed, ({ payload }) => payload.length > 1)
  })

  it('system events have typed payloads', () => {
    bus.on(SessionEnded, ({ payload }) => expectTypeOf(payload.sessionId).toEqualTypeOf<string>())
    bus.on(EventHandlerFailed, ({ payload }) => {
      expectTypeOf(payload.attempts).toEqualTypeOf<number>()
      expectTypeOf(payload.error.code).toEqualTypeOf<string | undefined>()
    })
  })

  it('publish takes events, execute takes commands', () => {
    expectTypeOf(bus.publish(Placed({ orderId: '1' }))).toEqualTypeOf<Promise<PublishReceipt>>()
    expectTypeOf(bus.publishAndWait(Placed({ orderId: '1' }))).toEqualTypeOf<Promise<EventOutcome>>()
    expectTypeOf(bus.schedule(Placed({ orderId: '1' }), { delayMs: 1 })).toEqualTypeOf<Promise<ScheduledEvent>>()
    // @ts-expect-error a command
    void bus.publish(Place({ sku: 'a' }))
    // @ts-expect-error an event
    void bus.execute(Placed({ orderId: '1' }))
    // @ts-expect-error a definition
    void bus.publish(Placed)
  })

  it('schedule takes a time or a delay, not both and not neither', () => {
    void bus.schedule(Empty(), { at: new Date() })
    void bus.schedule(Empty(), { at: 1, durability: 'required', priority: 1 })
    // @ts-expect-error both
    void bus.schedule(Empty(), { at: 1, delayMs: 1 })
    // @ts-expect-error neither
    void bus.schedule(Empty(), {})
  })
})

describe('durable types', () => {
  it('R-DUR-13 a handler without a name does not compile', () => {
    bus.on(Kept, ({ payload }) => expectTypeOf(payload).toEqualTypeOf<{ n: number }>(), { name: 'keeper' })
    session.on(Kept, () => undefined, { name: 'keeper', priority: 1 })
    // @ts-expect-error no options
    bus.on(Kept, () => undefined)
    // @ts-expect-error no name
    bus.on(Kept, () => undefined, {})
    // @ts-expect-error no name
    bus.on(Kept, () => undefined, { priority: 1 })
    // @ts-expect-error no name
    session.on(Kept, () => undefined)
    // @ts-expect-error no name
    bus.on(KeptParsed, () => undefined)
  })

  it('R-DUR-13 once does not compile', () => {
    // @ts-expect-error once cannot be promised
    bus.on(Kept, () => undefined, { name: 'keeper', once: true })
  })

  it('other types need neither', () => {
    bus.on(Placed, () => undefined)
    bus.on(Placed, () => undefined, { once: true })
    bus.on(defineEvent<number>('said.not', { durable: false }), () => undefined)
  })
})

describe('commands', () => {
  it('payload and result are inferred from one definition', async () => {
    bus.handle(Place, ({ payload }, context) => {
      expectTypeOf(payload).toEqualTypeOf<{ sku: string }>()
      expectTypeOf(context).toEqualTypeOf<CommandContext>()
      return { orderId: payload.sku }
    })
    bus.handle(Place, async ({ payload }) => ({ orderId: payload.sku }))
    expectTypeOf(await bus.execute(Place({ sku: 'a' }))).toEqualTypeOf<CommandResult<{ orderId: string }>>()
    expectTypeOf(unwrap(await session.execute(Place({ sku: 'a' })))).toEqualTypeOf<{ orderId: string }>()
    expectTypeOf(await bus.execute(Plain())).toEqualTypeOf<CommandResult<void>>()
  })

  it('payload and result are inferred from schemas', async () => {
    bus.handle(Checked, ({ payload }) => {
      expectTypeOf(payload).toEqualTypeOf<number>()
      return { orderId: '1' }
    })
    bus.handle(NoResult, ({ payload }) => expectTypeOf(payload).toEqualTypeOf<number>() as unknown as void)
    expectTypeOf(await bus.execute(Checked('1'))).toEqualTypeOf<CommandResult<{ orderId: string }>>()
    expectTypeOf(await bus.execute(NoResult('1'))).toEqualTypeOf<CommandResult<void>>()
    expectTypeOf(await bus.execute(OnlyResult())).toEqualTypeOf<CommandResult<number>>()
    // @ts-expect-error the input is text
    Checked(1)
  })

  it('results narrow', async () => {
    const result = await bus.execute(Place({ sku: 'a' }))
    expectTypeOf(result.attempts).toEqualTypeOf<number>()
    // @ts-expect-error not known to be a success
    assertType(result.value)
    // @ts-expect-error not known to be a failure
    assertType(result.error)
    const text = result.success ? result.value.orderId : result.error.code
    expectTypeOf(text).toExtend<string>()
    expectTypeOf(result).extract<{ success: false }>().toHaveProperty('error').toEqualTypeOf<BusError>()
  })

  it('a command of one result is no command of another', () => {
    assertType<CommandMessage<{ sku: string }, { orderId: string }>>(Place({ sku: 'a' }))
    // @ts-expect-error another result
    assertType<CommandMessage<{ sku: string }, number>>(Place({ sku: 'a' }))
  })

  it('a handler of another payload or result does not compile', () => {
    // @ts-expect-error the result is { orderId: string }
    bus.handle(Place, () => ({ orderId: 1 }))
    // @ts-expect-error the result is { orderId: string }
    bus.handle(Place, async () => 'x')
    // @ts-expect-error there is a result
    bus.handle(Place, () => undefined)
    // @ts-expect-error there always is a result
    bus.handle(Place, ({ payload }) => (payload.sku === 'a' ? { orderId: '1' } : undefined))
    // @ts-expect-error there is a result
    session.handle(Place, () => {})
    // @ts-expect-error the payload is { sku }
    bus.handle(Place, (command: CommandMessage<{ other: number }, { orderId: string }>) => ({
      orderId: command.id,
    }))
    // @ts-expect-error the result is { orderId: string }
    session.handle(Checked, () => ({ orderId: 1 }))
    // @ts-expect-error an event has no command handler
    bus.handle(Placed, () => undefined)
  })
})

describe('no any', () => {
  it('leaks out of what handlers, middleware, filters and observers get', () => {
    bus.onPattern('**', (event) => {
      expectTypeOf(event).toEqualTypeOf<EventMessage>()
      expectTypeOf(event.payload).toEqualTypeOf<unknown>()
    })
    const middleware: Middleware = {
      event: (event, _context, next) => {
        expectTypeOf(event.payload).toEqualTypeOf<unknown>()
        expectTypeOf(next()).toEqualTypeOf<unknown>()
      },
      command: (command, _context, next) => {
        expectTypeOf(command.payload).toEqualTypeOf<unknown>()
        expectTypeOf(next()).toEqualTypeOf<unknown>()
      },
      publish: (event, next) => {
        expectTypeOf(event.payload).toEqualTypeOf<unknown>()
        expectTypeOf(next()).toEqualTypeOf<Promise<PublishReceipt>>()
      },
    }
    const filter: EventFilter = ({ payload, metadata }) => {
      expectTypeOf(payload).toEqualTypeOf<unknown>()
      expectTypeOf(metadata['a']).toEqualTypeOf<unknown>()
      return true
    }
    const observer: Observer = {
      attemptFailed: (event, _handler, { error }) => {
        expectTypeOf(event.payload).toEqualTypeOf<unknown>()
        expectTypeOf(error).toEqualTypeOf<unknown>()
      },
      commandSettled: (_command, result) => expectTypeOf(result).toEqualTypeOf<CommandResult<unknown>>(),
    }
    assertType<[Middleware, EventFilter, Observer]>([middleware, filter, observer])
  })

  it('leaks out of results', () => {
    expectTypeOf<HandlerFailure['error']>().toEqualTypeOf<unknown>()
    expectTypeOf<HandlerFailure['message']['payload']>().toEqualTypeOf<unknown>()
    expectTypeOf<Extract<HandlerOutcome, { status: 'fulfilled' }>['value']>().toEqualTypeOf<unknown>()
    expectTypeOf<Extract<HandlerOutcome, { error: unknown }>['error']>().toEqualTypeOf<unknown>()
    expectTypeOf(bus.stats().offered).toEqualTypeOf<number>()
    expectTypeOf(bus.stop()).toEqualTypeOf<Promise<StopReport>>()
    expectTypeOf<BusError['cause']>().toEqualTypeOf<unknown>()
    expectTypeOf<BusError['code']>().toExtend<string>()
    expectTypeOf<BusError['code']>().not.toBeAny()
  })
})

describe('exactOptionalPropertyTypes', () => {
  const signal = undefined as AbortSignal | undefined
  const number = undefined as number | undefined
  const text = undefined as string | undefined

  it('undefined is taken for every option', () => {
    bus.on(Placed, () => undefined, { signal, priority: number, name: text, once: undefined })
    bus.onPattern('**', () => undefined, { signal, priority: number })
    bus.handle(Place, () => ({ orderId: '1' }), { signal, name: text })
    void bus.publish(Empty(), {
      signal,
      priority: number,
      durable: undefined,
      idempotencyKey: text,
      expiresInMs: number,
    })
    void bus.publishAndWait(Empty(), { signal, priority: number, timeoutMs: number, durable: undefined })
    void bus.execute(Plain(), { signal, timeoutMs: number })
    void bus.schedule(Empty(), {
      delayMs: 1,
      at: undefined,
      priority: number,
      idempotencyKey: text,
      durability: undefined,
    })
    void bus.next(Placed, undefined, { signal })
    bus.events(Placed, { signal })
    void bus.idle({ signal })
    void bus.stop({ timeoutMs: number })
    void session.end({ abort: undefined, schedules: undefined })
    Placed({ orderId: '1' }, { sessionId: text, correlationId: text, causationId: text, metadata: undefined })
    defineEvent<number>('a', { version: number, upcast: undefined, durable: undefined })
    const options: BusOptions = { name: text, concurrency: number, queue: { capacity: number, strategy: undefined } }
    assertType<BusOptions>(options)
  })
})
