import { createBus, defineEvent, isBusError } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { context, metrics as metricsApi, propagation, trace } from '@opentelemetry/api'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { telemetry, type TelemetryOptions } from '../src/index.ts'
import { fail } from './support/failing.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { Paid } from './support/paid.ts'
import { memoryMetrics, memorySpans, unregister, useAsyncContext } from './support/sdk.ts'

const Ordered = defineEvent<{ n: number; card?: string }>('order.placed')

beforeAll(useAsyncContext)
afterEach(unregister)

describe('telemetry()', () => {
  it.each<[string, unknown]>([
    ['inMemory', { inMemory: 'maybe' }],
    ['baggage', { baggage: 'tenant' }],
    ['baggage', { baggage: [1] }],
    ['maxTypes', { maxTypes: 0 }],
    ['storeCountsTimeoutMs', { storeCountsTimeoutMs: Number.NaN }],
    ['span', { span: {} }],
    ['measure', { measure: true }],
    ['payload', { payload: 'all' }],
    ['unknown', { unknown: 1 }],
    ['object', null],
    ['object', 5],
  ])('refuses a bad %s with its name', (name, options) => {
    const refused = (): unknown => telemetry(options as TelemetryOptions)
    expect(refused).toThrow(name)
    expect(refused).toThrow(expect.toSatisfy((error) => isBusError(error, 'INVALID_ARGUMENT')))
  })
})

describe('an SDK that throws', () => {
  it.each(['addBatchObservableCallback', 'removeBatchObservableCallback'] as const)(
    'R-OBS-1 from %s keeps the bus neither from starting nor from stopping',
    async (method) => {
      const logger = recordingLogger()
      const { meterProvider } = memoryMetrics()
      const broken = {
        getMeter: (name: string) => Object.assign(meterProvider.getMeter(name), { [method]: fail }),
      }
      const bus = createBus({ logger, plugins: [telemetry({ meterProvider: broken })] })
      let handled = 0
      bus.on(Ordered, () => void handled++)
      await bus.start()
      await bus.publishAndWait(Ordered({ n: 1 }))
      await bus.stop()
      expect([handled, bus.state]).toEqual([1, 'stopped'])
      expect(logger.lines.map(({ message }) => message)).toEqual([expect.stringContaining('Telemetry failed')])
    },
  )
})

describe('without an SDK', () => {
  it('R-OBS-1 does nothing: no metadata, no observer, no middleware', async () => {
    const bus = createBus({ plugins: [telemetry()] })
    const seen = bus.next(Ordered)
    await bus.start()
    const event = Ordered({ n: 1 })
    await bus.publish(event)
    expect(await seen).toBe(event)
  })
})

describe('an SDK that is registered late', () => {
  it('R-REG-2 has spans from the next publish on', async () => {
    const spans = memorySpans()
    const bus = createBus({ plugins: [telemetry()] })
    bus.on(Ordered, () => undefined)
    await bus.start()
    await bus.publish(Ordered({ n: 1 }))
    await bus.idle()
    trace.setGlobalTracerProvider(spans.tracerProvider)
    await bus.publish(Ordered({ n: 2 }))
    await bus.idle()
    const names = spans.all().map(({ name }) => name)
    expect(names.toSorted()).toEqual(['handle order.placed', 'process order.placed', 'send order.placed'])
  })

  it('R-REG-2 has metrics from the next publish on, also if it is only a meter provider', async () => {
    const { meterProvider, points, shutdown } = memoryMetrics()
    const bus = createBus({ plugins: [telemetry()] })
    await bus.start()
    await bus.publish(Ordered({ n: 1 }))
    metricsApi.setGlobalMeterProvider(meterProvider)
    await bus.publish(Ordered({ n: 2 }))
    await bus.idle()
    expect(await points('messaging.client.sent.messages')).toMatchObject([{ value: 1 }])
    await shutdown()
  })

  it('R-REG-2 has spans in a process that only claims what others publish', async () => {
    const spans = memorySpans()
    const persistence = memoryPersistence()
    const publisher = createBus({ persistence })
    const worker = createBus({ persistence, plugins: [telemetry()] })
    const handled = Promise.withResolvers<void>()
    worker.on(Paid, () => handled.resolve(), { name: 'book' })
    await publisher.start()
    await worker.start()
    trace.setGlobalTracerProvider(spans.tracerProvider)
    await publisher.publish(Paid({ n: 1 }))
    await handled.promise
    await worker.stop()
    await publisher.stop()
    expect(spans.all().map(({ name }) => name)).toEqual(['handle order.paid', 'process order.paid'])
  })

  it('R-REG-2 has spans of an event that was accepted before', async () => {
    const spans = memorySpans()
    const bus = createBus({ plugins: [telemetry()] })
    bus.on(Ordered, () => undefined)
    await bus.publish(Ordered({ n: 1 }))
    trace.setGlobalTracerProvider(spans.tracerProvider)
    await bus.start()
    await bus.idle()
    expect(spans.one('process order.placed').links).toEqual([])
  })
})

describe('the hooks', () => {
  const traced = (options: TelemetryOptions) => {
    const spans = memorySpans()
    const logger = recordingLogger()
    const bus = createBus({ logger, plugins: [telemetry({ tracerProvider: spans.tracerProvider, ...options })] })
    const publish = async (n = 1): Promise<void> => {
      await bus.start()
      await bus.publish(Ordered({ n, card: '4111' }))
      await bus.idle()
    }
    return { bus, spans, logger, publish }
  }

  it('rename and enrich', async () => {
    const { bus, spans, publish } = traced({
      span: ({ operation, name }) =>
        operation === 'process' ? { name: `orders: ${name}`, attributes: { tier: 'gold' } } : undefined,
    })
    bus.on(Ordered, () => undefined)
    await publish()
    expect(spans.one('orders: process order.placed').attributes).toMatchObject({ tier: 'gold' })
  })

  it('leave spans out by operation and type; what is inside belongs to the span around', async () => {
    const { bus, spans, publish } = traced({ span: ({ operation }) => (operation === 'process' ? false : undefined) })
    bus.on(Ordered, () => undefined)
    await publish()
    const send = spans.one('send order.placed').spanContext()
    expect(spans.one('handle order.placed').parentSpanContext?.spanId).toBe(send.spanId)
  })

  it('leave handlers without spans of their own, if that is asked for', async () => {
    const { bus, spans, publish } = traced({ handlers: false })
    const active: unknown[] = []
    bus.on(Ordered, () => void active.push(trace.getActiveSpan()?.spanContext().spanId))
    await publish()
    expect(active).toEqual([spans.one('process order.placed').spanContext().spanId])
    expect(spans.named('handle order.placed')).toEqual([])
  })

  it('record nothing of a payload unless asked, and then what they return', async () => {
    const plain = traced({})
    await plain.publish()
    expect(JSON.stringify(plain.spans.all().map(({ attributes }) => attributes))).not.toContain('4111')
    const redacted = traced({ payload: ({ payload }) => ({ ...(payload as object), card: '***' }) })
    await redacted.publish()
    expect(redacted.spans.one('send order.placed').attributes['buslane.message.payload']).toBe('{"n":1,"card":"***"}')
  })

  it('R-OBS-1 that throw are logged once, and harm nothing', async () => {
    const angry = (): never => {
      throw new Error('hook')
    }
    const { meterProvider, shutdown } = memoryMetrics()
    const { bus, spans, logger, publish } = traced({ span: angry, payload: angry, measure: angry, meterProvider })
    let handled = 0
    bus.on(Ordered, () => void handled++)
    await publish()
    await publish()
    expect(handled).toBe(2)
    expect(spans.named('process order.placed')).toHaveLength(2)
    expect(logger.lines.map(({ level }) => level)).toEqual(['error'])
    await shutdown()
  })
})

describe('an SDK that throws', () => {
  const broken = (): never => {
    throw new Error('exporter')
  }

  it.each([
    ['starts a span', { startSpan: broken }],
    [
      'is told of one',
      {
        startSpan: () => ({
          spanContext: broken,
          setAttribute: broken,
          setAttributes: broken,
          addEvent: broken,
          recordException: broken,
          setStatus: broken,
          end: broken,
          isRecording: broken,
        }),
      },
    ],
  ])('R-OBS-1 when it %s harms nothing', async (_when, tracer) => {
    const logger = recordingLogger()
    const plugin = telemetry({ tracerProvider: { getTracer: () => tracer as never } })
    const bus = createBus({ logger, plugins: [plugin] })
    bus.on(Ordered, async ({ payload: { n } }) => {
      return n === 2 ? fail() : n
    })
    await bus.start()
    const outcomes = [await bus.publishAndWait(Ordered({ n: 1 })), await bus.publishAndWait(Ordered({ n: 2 }))]
    expect(outcomes.flatMap(({ handlers }) => handlers)).toMatchObject([
      { status: 'fulfilled', value: 1, attempts: 1 },
      { status: 'rejected', error: { message: 'no' }, attempts: 1 },
    ])
    expect(logger.lines.filter(({ message }) => message.startsWith('Telemetry failed'))).toHaveLength(1)
  })

  it('R-OBS-1 an instrument that throws harms nothing', async () => {
    const { meterProvider, shutdown } = memoryMetrics()
    const meter = meterProvider.getMeter('x')
    const angry = Object.assign(Object.create(meter) as typeof meter, { createHistogram: () => ({ record: broken }) })
    const bus = createBus({
      logger: recordingLogger(),
      plugins: [telemetry({ meterProvider: { getMeter: () => angry } })],
    })
    bus.on(Ordered, () => 'done')
    await bus.start()
    const { handlers } = await bus.publishAndWait(Ordered({ n: 1 }))
    expect(handlers).toMatchObject([{ status: 'fulfilled', value: 'done' }])
    await shutdown()
  })
})

describe('baggage', () => {
  it('R-OBS-1 travels if its name is on the list, and is active inside the handler', async () => {
    const spans = memorySpans()
    const bus = createBus({ plugins: [telemetry({ tracerProvider: spans.tracerProvider, baggage: ['tenant'] })] })
    const seen: unknown[] = []
    bus.on(Ordered, ({ metadata }) => {
      const baggage = propagation.getActiveBaggage()
      seen.push(metadata['baggage'], baggage?.getEntry('tenant')?.value)
    })
    await bus.start()
    const baggage = propagation.createBaggage({ tenant: { value: 'a b,ü' }, secret: { value: 'x' } })
    await context.with(propagation.setBaggage(context.active(), baggage), () => bus.publish(Ordered({ n: 1 })))
    await bus.idle()
    expect(seen).toEqual(['tenant=a%20b%2C%C3%BC', 'a b,ü'])
  })
})

describe('logger()', () => {
  it('adds the ids of the span that the line is written in, or its error was thrown in', async () => {
    const spans = memorySpans()
    const plugin = telemetry({ tracerProvider: spans.tracerProvider })
    const lines = recordingLogger()
    const logger = plugin.logger(lines)
    const bus = createBus({ logger, plugins: [plugin] })
    bus.on(Ordered, () => {
      logger.info({ n: 1 }, 'inside')
      throw new Error('no')
    })
    await bus.start()
    await bus.publish(Ordered({ n: 1 }))
    await bus.idle()
    logger.info({ n: 2 }, 'outside')
    const { traceId, spanId } = spans.one('handle order.placed').spanContext()
    const ids = { trace_id: traceId, span_id: spanId, trace_flags: '01' }
    expect(lines.lines.map(({ fields }) => fields)).toMatchObject([{ ...ids, n: 1 }, ids, { n: 2 }])
    expect(lines.lines[2]!.fields).not.toHaveProperty('trace_id')
  })
})
