import { BusError, createBus, defineCommand, type Plugin } from '@buslane/core'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { beforeAll, describe, expect, it } from 'vitest'
import { telemetry, type TelemetryOptions } from '../src/index.ts'
import { fail } from './support/failing.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { memorySpans, useAsyncContext } from './support/sdk.ts'

const Charge = defineCommand<{ n: number }, number>('order.charge')

beforeAll(useAsyncContext)

const traced = (options: TelemetryOptions = {}, ...plugins: readonly Plugin[]) => {
  const spans = memorySpans()
  const plugin = telemetry({ tracerProvider: spans.tracerProvider, ...options })
  const bus = createBus({ logger: recordingLogger(), plugins: [plugin, ...plugins] })
  return { bus, spans }
}

describe('the span of a command', () => {
  it('R-OBS-1 goes from the call to the result, with the handler and its attempts', async () => {
    const { bus, spans } = traced()
    bus.handle(Charge, ({ payload }) => payload.n, { name: 'charge' })
    const command = Charge({ n: 1 }, { sessionId: 'chat', correlationId: 'talk' })
    await bus.execute(command)
    const span = spans.one('execute order.charge')
    expect(span.kind).toBe(SpanKind.INTERNAL)
    expect(span.attributes).toEqual({
      'messaging.system': 'buslane',
      'messaging.operation.name': 'execute',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'order.charge',
      'messaging.message.id': command.id,
      'messaging.message.conversation_id': 'talk',
      'buslane.session.id': 'chat',
      'buslane.handler.name': 'charge',
      'buslane.handler.attempts': 1,
    })
  })

  it('R-OBS-1 is active in the handler, and stays one through its attempts', async () => {
    const retry: Plugin = {
      name: 'retry',
      install: (host) =>
        host.onFailure(({ attempts }) => (attempts < 2 ? { action: 'retry', delayMs: 0 } : { action: 'fail' })),
    }
    const { bus, spans } = traced({}, retry)
    const own = spans.tracerProvider.getTracer('app')
    bus.handle(Charge, async (_command, { attempt }) => {
      own.startSpan(`attempt ${attempt}`).end()
      return attempt === 1 ? fail() : attempt
    })
    await bus.execute(Charge({ n: 1 }))
    const span = spans.one('execute order.charge')
    const parents = [spans.one('attempt 1'), spans.one('attempt 2')].map((each) => each.parentSpanContext?.spanId)
    expect(new Set(parents)).toEqual(new Set([span.spanContext().spanId]))
    expect(span.events.map(({ name }) => name)).toEqual(['buslane.retry'])
    expect(span.attributes['buslane.handler.attempts']).toBe(2)
  })

  it('R-OBS-1 fails with what the handler threw', async () => {
    const { bus, spans } = traced()
    bus.handle(Charge, () => {
      throw new RangeError('too much')
    })
    await bus.execute(Charge({ n: 1 }))
    const { status, attributes, events } = spans.one('execute order.charge')
    expect(status).toEqual({ code: SpanStatusCode.ERROR, message: 'too much' })
    expect(attributes['error.type']).toBe('RangeError')
    expect(events.map(({ name }) => name)).toEqual(['exception'])
  })

  it('R-OBS-1 is there for a command that nobody handles', async () => {
    const { bus, spans } = traced()
    await bus.execute(Charge({ n: 1 }))
    expect(spans.one('execute order.charge').attributes['error.type']).toBe('NO_HANDLER')
  })

  it('R-OBS-1 does not fail because somebody has yet to approve the command', async () => {
    const pending: Plugin = {
      name: 'pending',
      install: (host) =>
        host.screen(() => Promise.reject(new BusError('APPROVAL_PENDING', 'somebody has yet to decide'))),
    }
    const { bus, spans } = traced({}, pending)
    bus.handle(Charge, () => 1)
    await bus.execute(Charge({ n: 1 }))
    expect(spans.one('execute order.charge').status.code).toBe(SpanStatusCode.UNSET)
  })

  it('R-OBS-1 is left out if the hook says so, also when it fails', async () => {
    const { bus, spans } = traced({ span: () => false })
    await bus.execute(Charge({ n: 1 }))
    expect(spans.all()).toEqual([])
  })
})
