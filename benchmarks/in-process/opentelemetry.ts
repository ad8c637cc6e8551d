import type { Plugin } from '@buslane/core'
import { telemetry } from '@buslane/telemetry'
import { context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Contender } from '../harness/rounds.ts'

/** Takes what it is given, as one that sends it away does once the request is under way. */
const exporter: SpanExporter = {
  export: (_spans, done) => done({ code: 0 }),
  shutdown: () => Promise.resolve(),
  forceFlush: () => Promise.resolve(),
}

const tracing = (share: number): TracerProvider => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) })
  return new TracerProvider({ sampler, spanProcessors: [new BatchSpanProcessor({ exporter })] })
}

const measuring = (): MeterProvider => {
  const memory = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  const reader = new PeriodicExportingMetricReader({ exporter: memory, exportIntervalMillis: 60_000 })
  return new MeterProvider({ readers: [reader] })
}

interface Wanted {
  /** The share of traces that are sampled; `undefined`: no traces. */
  readonly traces?: number | undefined
  readonly metrics?: boolean | undefined
  /** Whether handlers have metrics of their own. */
  readonly handlers?: boolean | undefined
}

/** The plugin with an SDK behind it that is set up as for production, with batch export. */
export const withSdk = ({ traces, metrics = false, handlers = true }: Wanted): Plugin =>
  telemetry({
    ...(traces === undefined ? { traces: false } : { tracerProvider: tracing(traces) }),
    ...(metrics ? { meterProvider: measuring() } : { metrics: false }),
    handlers,
  })

export const withoutSdk = (): Plugin => telemetry({})

const about = (operation: string) => ({
  'messaging.system': 'buslane',
  'messaging.operation.name': operation,
  'messaging.operation.type': operation,
  'messaging.destination.name': 'bench.ticked',
})

const ids = { 'messaging.message.id': 'id', 'messaging.message.conversation_id': 'id' }

const handlerAttributes = (group: number) => ({
  'messaging.system': 'buslane',
  'messaging.destination.name': 'bench.ticked',
  'buslane.handler.name': 'handler',
  'buslane.handler.priority': group,
  'buslane.handler.attempt': 1,
})

/** The five spans and six records of an event with three handlers, made by hand: what is above that is telemetry's own. */
export const sdkAlone = (): Contender => {
  const tracer = tracing(1).getTracer('bench')
  const histogram = measuring().getMeter('bench').createHistogram('bench')
  const oneEvent = (n: number): void => {
    const send = tracer.startSpan('send', { kind: SpanKind.PRODUCER, attributes: { ...about('send'), ...ids } })
    const sent = trace.setSpan(ROOT_CONTEXT, send)
    histogram.record(n, about('send'))
    send.end()
    const consume = { kind: SpanKind.CONSUMER, attributes: { ...about('process'), ...ids } }
    const process = tracer.startSpan('process', consume, sent)
    const processing = trace.setSpan(sent, process)
    for (let group = 0; group < 3; group++) {
      tracer.startSpan('handle', { kind: SpanKind.INTERNAL, attributes: handlerAttributes(group) }, processing).end()
      histogram.record(n, { ...about('handle'), 'buslane.handler.priority': group })
    }
    histogram.record(n, about('process'))
    histogram.record(n, { 'messaging.destination.name': 'bench.ticked' })
    process.end()
  }
  return {
    run: async (count) => {
      for (let n = 0; n < count; n++) {
        oneEvent(n)
        if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}
