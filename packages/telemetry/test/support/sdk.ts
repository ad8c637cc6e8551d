import { context, diag, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'

/** As an SDK does when it starts: without it, no context is active anywhere. */
export const useAsyncContext = (): void => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
}

/** Undoes what was registered globally. */
export const unregister = (): void => {
  trace.disable()
  metrics.disable()
  diag.disable()
}

interface Spans {
  readonly tracerProvider: TracerProvider
  /** Those that have ended, in that order. */
  readonly all: () => ReadableSpan[]
  /** The one of this name. */
  readonly one: (name: string) => ReadableSpan
  readonly named: (name: string) => ReadableSpan[]
}

/** The real SDK, exporting to memory. */
export const memorySpans = (sampler?: Sampler): Spans => {
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(sampler && { sampler }),
  })
  const all = (): ReadableSpan[] => exporter.getFinishedSpans()
  const named = (name: string): ReadableSpan[] => all().filter((span) => span.name === name)
  const one = (name: string): ReadableSpan => {
    const [span, ...others] = named(name)
    if (span === undefined || others.length > 0) {
      const names = all().map((each) => each.name)
      throw new Error(`there must be one '${name}' among: ${names.join(', ')}`)
    }
    return span
  }
  return { tracerProvider, all, one, named }
}

interface Metrics {
  readonly meterProvider: MeterProvider
  /** What a scrape finds now. */
  readonly scrape: () => Promise<MetricData[]>
  readonly points: (name: string) => Promise<readonly { attributes: object; value: unknown }[]>
  readonly shutdown: () => Promise<void>
}

/** The real SDK, collecting into memory when asked. */
export const memoryMetrics = (): Metrics => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  // It never exports by itself while a test runs.
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 31 - 1 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const scrape = async (): Promise<MetricData[]> => {
    exporter.reset()
    await reader.forceFlush()
    return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  }
  const points = async (name: string): Promise<readonly { attributes: object; value: unknown }[]> => {
    const found = (await scrape()).find(({ descriptor }) => descriptor.name === name)
    return (found?.dataPoints ?? []).map(({ attributes, value }) => ({ attributes, value }))
  }
  return { meterProvider, scrape, points, shutdown: () => meterProvider.shutdown() }
}
