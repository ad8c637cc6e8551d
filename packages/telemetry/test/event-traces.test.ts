import {
  type Bus,
  createBus,
  defineCommand,
  defineEvent,
  HandlerPriority,
  type Persistence,
  type Plugin,
  SessionStarted,
} from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { resilience } from '@buslane/resilience'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AlwaysOffSampler, type ReadableSpan } from '@opentelemetry/sdk-trace'
import { beforeAll, describe, expect, it } from 'vitest'
import { telemetry, type TelemetryOptions } from '../src/index.ts'
import { failingUntil } from './support/failing.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { memorySpans, useAsyncContext } from './support/sdk.ts'
import { VirtualClock } from '@buslane/testkit'

const Ordered = defineEvent<{ n: number }>('order.placed')
const Shipped = defineEvent('order.shipped')
const Paid = defineEvent<{ n: number }>('order.paid', { durable: true })
const Charge = defineCommand<{ n: number }, number>('order.charge')

beforeAll(useAsyncContext)

const traced = (options: TelemetryOptions = {}, plugins: readonly Plugin[] = [], persistence?: Persistence) => {
  const spans = memorySpans()
  const logger = recordingLogger()
  const plugin = telemetry({ tracerProvider: spans.tracerProvider, ...options })
  const bus = createBus({ logger, persistence, plugins: [plugin, ...plugins] })
  return { bus, spans, logger }
}

const idle = async (bus: Bus): Promise<void> => {
  await bus.start()
  await bus.idle()
}

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId
const idOf = (span: ReadableSpan): string => span.spanContext().spanId
const traceOf = (span: ReadableSpan): string => span.spanContext().traceId

describe('spans of an event in memory', () => {
  it('R-OBS-1 are a tree: send, process, one per handler', async () => {
    const { bus, spans } = traced()
    bus.on(Ordered, () => undefined, { name: 'audit', priority: HandlerPriority.HIGH })
    bus.on(Ordered, async () => undefined, { name: 'mail' })
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    const [send, process] = [spans.one('send order.placed'), spans.one('process order.placed')]
    const handlers = spans.named('handle order.placed')
    expect(send.parentSpanContext).toBeUndefined()
    expect([send.kind, process.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER])
    expect(handlers.map(({ kind }) => kind)).toEqual([SpanKind.INTERNAL, SpanKind.INTERNAL])
    expect(parentOf(process)).toBe(idOf(send))
    expect(handlers.map(parentOf)).toEqual([idOf(process), idOf(process)])
    expect(new Set(spans.all().map(traceOf)).size).toBe(1)
  })

  it('R-OBS-1 follow the messaging conventions', async () => {
    const { bus, spans } = traced()
    bus.on(Ordered, () => undefined, { name: 'audit', priority: HandlerPriority.HIGH })
    const event = Ordered({ n: 1 }, { correlationId: 'talk', sessionId: 'chat' })
    await bus.publish(event)
    await idle(bus)
    const about = {
      'messaging.system': 'buslane',
      'messaging.destination.name': 'order.placed',
      'messaging.message.id': event.id,
      'messaging.message.conversation_id': 'talk',
      'buslane.session.id': 'chat',
    }
    expect(spans.one('send order.placed').attributes).toEqual({
      ...about,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'buslane.publish.status': 'accepted',
      'buslane.publish.durability': 'memory',
    })
    expect(spans.one('process order.placed').attributes).toEqual({
      ...about,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
    })
    expect(spans.one('handle order.placed').attributes).toEqual({
      'messaging.system': 'buslane',
      'messaging.destination.name': 'order.placed',
      'buslane.handler.name': 'audit',
      'buslane.handler.priority': HandlerPriority.HIGH,
      'buslane.handler.attempt': 1,
    })
  })

  it('R-OBS-1 begin a trace of their own, with a link, if that is asked for', async () => {
    const { bus, spans } = traced({ inMemory: 'link' })
    bus.on(Ordered, () => undefined)
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    const [send, process] = [spans.one('send order.placed'), spans.one('process order.placed')]
    expect(process.parentSpanContext).toBeUndefined()
    expect(process.links.map((link) => link.context.spanId)).toEqual([idOf(send)])
    expect(traceOf(process)).not.toBe(traceOf(send))
  })

  it('R-OBS-1 nest in the span of whoever publishes', async () => {
    const { bus, spans } = traced()
    const around = spans.tracerProvider.getTracer('app').startSpan('request')
    await context.with(trace.setSpan(context.active(), around), () => bus.publish(Ordered({ n: 1 })))
    await idle(bus)
    expect(parentOf(spans.one('send order.placed'))).toBe(around.spanContext().spanId)
  })

  it('R-OBS-1 are not made of handlers of an event that is not sampled, whose context travels all the same', async () => {
    const spans = memorySpans(new AlwaysOffSampler())
    const seen: (number | undefined)[] = []
    const bus = createBus({ plugins: [telemetry({ tracerProvider: spans.tracerProvider })] })
    bus.on(Ordered, ({ metadata }) => {
      seen.push(trace.getActiveSpan()?.spanContext().traceFlags, Number(String(metadata['traceparent']).slice(-1)))
    })
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    expect(spans.all()).toEqual([])
    expect(seen).toEqual([0, 0])
  })

  it('R-SYS-1 are not made of events of the bus itself', async () => {
    const { bus, spans } = traced()
    bus.on(SessionStarted, () => undefined)
    bus.session('chat')
    await idle(bus)
    expect(spans.all()).toEqual([])
  })

  it('R-OBS-1 are told apart when one message is published twice', async () => {
    const { bus, spans } = traced()
    bus.on(Ordered, async () => undefined)
    const event = Ordered({ n: 1 })
    await Promise.all([bus.publish(event), bus.publish(event)])
    await idle(bus)
    const sent = spans.named('send order.placed').map(idOf)
    expect(spans.named('process order.placed').map(parentOf)).toEqual(sent)
  })
})

describe('the context inside a handler', () => {
  it.each([
    ['at once', () => undefined],
    ['after an await', () => Promise.resolve()],
  ])('R-OBS-1 is that of its span, %s', async (_when, wait) => {
    const { bus, spans } = traced()
    const own = spans.tracerProvider.getTracer('app')
    bus.on(Ordered, async () => {
      await wait()
      own.startSpan('query').end()
    })
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    expect(parentOf(spans.one('query'))).toBe(idOf(spans.one('handle order.placed')))
  })

  it('R-OBS-1 is kept apart for handlers that run at once', async () => {
    const { bus, spans } = traced()
    const own = spans.tracerProvider.getTracer('app')
    const gate = Promise.withResolvers<void>()
    for (const name of ['a', 'b']) {
      const handler = async (): Promise<void> => {
        await gate.promise
        own.startSpan(name).end()
      }
      bus.on(Ordered, handler, { name })
    }
    await bus.publish(Ordered({ n: 1 }))
    await bus.start()
    gate.resolve()
    await bus.idle()
    const handlers = new Map(
      spans.named('handle order.placed').map((span) => [idOf(span), span.attributes['buslane.handler.name']]),
    )
    expect(['a', 'b'].map((name) => handlers.get(parentOf(spans.one(name))!))).toEqual(['a', 'b'])
  })

  it('R-OBS-1 is the parent of what is published and executed there, through `context` and through `bus`', async () => {
    const { bus, spans } = traced()
    bus.handle(Charge, ({ payload }) => payload.n)
    bus.on(Ordered, async (_event, { execute, publish }) => {
      await execute(Charge({ n: 1 }))
      await publish(Shipped())
      await bus.publish(Shipped())
    })
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    const handler = idOf(spans.one('handle order.placed'))
    expect(parentOf(spans.one('execute order.charge'))).toBe(handler)
    expect(spans.named('send order.shipped').map(parentOf)).toEqual([handler, handler])
  })

  it('R-OBS-1 is the parent of an event that it waits for, also of a durable one', async () => {
    const { bus, spans } = traced({}, [], memoryPersistence())
    bus.on(Paid, () => undefined, { name: 'book' })
    bus.on(Ordered, (_event, { publishAndWait }) => publishAndWait(Paid({ n: 1 })), { name: 'pay' })
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    expect(parentOf(spans.one('process order.paid'))).toBe(idOf(spans.one('send order.paid')))
    await bus.stop()
  })
})

describe('spans of events that may run much later', () => {
  it('R-OBS-1 a durable event begins a trace of its own, with a link', async () => {
    const { bus, spans } = traced({}, [], memoryPersistence())
    bus.on(Paid, () => undefined, { name: 'book' })
    await bus.start()
    await bus.publish(Paid({ n: 1 }))
    await bus.idle()
    const [send, process] = [spans.one('send order.paid'), spans.one('process order.paid')]
    expect(process.parentSpanContext).toBeUndefined()
    expect(process.links.map((link) => link.context.spanId)).toEqual([idOf(send)])
    expect(send.attributes['buslane.publish.durability']).toBe('stored')
    await bus.stop()
  })

  it('R-OBS-1 so does a scheduled one, in memory', async () => {
    const spans = memorySpans()
    const bus = createBus({ plugins: [telemetry({ tracerProvider: spans.tracerProvider })] })
    const handled = bus.next(Ordered)
    await bus.start()
    await bus.schedule(Ordered({ n: 1 }), { delayMs: 0 })
    await handled
    await bus.idle()
    const [send, process] = [spans.one('send order.placed'), spans.one('process order.placed')]
    expect(process.parentSpanContext).toBeUndefined()
    expect(process.links.map((link) => link.context.spanId)).toEqual([idOf(send)])
  })
})

describe('an event that goes back to the store for a retry', () => {
  it('R-OBS-1 has a trace for each time it is taken up, both linked to the span that sent it', async () => {
    const clock = new VirtualClock()
    const later: Plugin = {
      name: 'later',
      install: (host) => host.onFailure(() => ({ action: 'retry', delayMs: 60_000 })),
    }
    const spans = memorySpans()
    const plugins = [telemetry({ tracerProvider: spans.tracerProvider }), later]
    const bus = createBus({ clock, logger: recordingLogger(), persistence: memoryPersistence({ clock }), plugins })
    bus.on(Paid, failingUntil(2), { name: 'book' })
    const started = bus.start()
    await clock.advance(0)
    await started
    void bus.publish(Paid({ n: 1 }))
    await clock.advance(70_000)
    const sent = idOf(spans.one('send order.paid'))
    const processed = spans.named('process order.paid')
    expect(processed.map(({ links }) => links.map((link) => link.context.spanId))).toEqual([[sent], [sent]])
    expect(new Set(processed.map(traceOf)).size).toBe(2)
    const attempts = spans.named('handle order.paid').map(({ attributes }) => attributes['buslane.handler.attempt'])
    expect(attempts).toEqual([1, 2])
    const stopped = bus.stop()
    await clock.advance(10_000)
    await stopped
  })
})

describe('failures', () => {
  it('R-OBS-1 are recorded on the span of the handler and of the event, with error.type', async () => {
    const { bus, spans } = traced()
    class MailRefused extends Error {
      override readonly name = 'MailRefused'
    }
    bus.on(Ordered, async () => {
      throw new MailRefused('no mail')
    })
    bus.on(Ordered, () => undefined)
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    const failed = spans.named('handle order.placed').filter(({ status }) => status.code === SpanStatusCode.ERROR)
    expect(failed.map(({ attributes, status }) => [attributes['error.type'], status.message])).toEqual([
      ['MailRefused', 'no mail'],
    ])
    expect(failed[0]!.events.map(({ name }) => name)).toEqual(['exception'])
    const process = spans.one('process order.placed')
    expect(process.status.code).toBe(SpanStatusCode.ERROR)
    expect(process.attributes).toMatchObject({ 'error.type': 'MailRefused', 'buslane.handlers.failed': 1 })
  })

  it('R-OBS-1 every attempt is a span with its number, and a retry is noted on the event', async () => {
    const retry: Plugin = {
      name: 'retry',
      install: (host) =>
        host.onFailure(({ attempts }) => (attempts < 3 ? { action: 'retry', delayMs: 0 } : { action: 'fail' })),
    }
    const { bus, spans } = traced({}, [retry])
    bus.on(Ordered, failingUntil(3), { name: 'try' })
    await bus.publish(Ordered({ n: 1 }))
    await idle(bus)
    const attempts = spans.named('handle order.placed')
    expect(attempts.map(({ attributes }) => attributes['buslane.handler.attempt'])).toEqual([1, 2, 3])
    expect(attempts.map(({ status }) => status.code)).toEqual([2, 2, 0])
    const process = spans.one('process order.placed')
    expect(process.events.map(({ name, attributes }) => [name, attributes?.['buslane.handler.attempt']])).toEqual([
      ['buslane.retry', 1],
      ['buslane.retry', 2],
    ])
    expect(process.status.code).toBe(SpanStatusCode.UNSET)
  })

  it('R-OBS-1 a handler that ignores its signal ends with its event, as what ended it', async () => {
    const { bus, spans } = traced()
    const never = Promise.withResolvers<void>()
    bus.on(Ordered, () => never.promise)
    await bus.start()
    await bus.publishAndWait(Ordered({ n: 1 }), { timeoutMs: 0 })
    expect(spans.one('handle order.placed').attributes['error.type']).toBe('TIMED_OUT')
    expect(spans.one('process order.placed').attributes['error.type']).toBe('TIMED_OUT')
    never.resolve()
    await bus.idle()
    expect(spans.named('handle order.placed')).toHaveLength(1)
  })

  it('R-OBS-1 an attempt that overlaps with the next one keeps its span apart', async () => {
    const clock = new VirtualClock()
    const spans = memorySpans()
    const guard = resilience({ timeoutMs: 10, retry: { maxRetries: 1, initialDelayMs: 0, jitter: 'none' } })
    const plugins = [telemetry({ tracerProvider: spans.tracerProvider }), guard]
    const bus = createBus({ clock, logger: recordingLogger(), plugins })
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    bus.on(Ordered, (_event, { attempt }) => gates[attempt - 1]!.promise)
    await bus.start()
    void bus.publish(Ordered({ n: 1 }))
    await clock.advance(5_000)
    gates[0]!.resolve()
    gates[1]!.resolve()
    await clock.advance(5_000)
    const attempts = spans.named('handle order.placed')
    expect(attempts.map(({ attributes }) => attributes['buslane.handler.attempt'])).toEqual([1, 2])
    expect(new Set(attempts.map(idOf)).size).toBe(2)
    const stopped = bus.stop()
    await clock.advance(10_000)
    await stopped
  })

  it('R-OBS-1 a refused publish fails its span', async () => {
    const { bus, spans } = traced()
    bus.use({
      publish: () => {
        throw new Error('no room')
      },
    })
    await expect(bus.publish(Ordered({ n: 1 }))).rejects.toThrow('no room')
    expect(spans.one('send order.placed').status.code).toBe(SpanStatusCode.ERROR)
  })
})

describe('metadata', () => {
  it('R-OBS-1 carries traceparent and tracestate, beside what was there', async () => {
    const { bus, spans } = traced()
    const seen = bus.next(Ordered)
    const [state, parent] = ['vendor=1', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']
    await bus.publish(Ordered({ n: 1 }, { metadata: { tenant: 'a', traceparent: parent, tracestate: state } }))
    await idle(bus)
    const send = spans.one('send order.placed')
    expect(traceOf(send)).toBe('0af7651916cd43dd8448eb211c80319c')
    expect(parentOf(send)).toBe('b7ad6b7169203331')
    expect((await seen).metadata).toEqual({
      tenant: 'a',
      traceparent: `00-${traceOf(send)}-${idOf(send)}-01`,
      tracestate: state,
    })
  })
})
