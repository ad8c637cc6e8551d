import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { type IMetricReader, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, SimpleSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { LineExporter } from './line-exporter.ts'

export interface SdkOptions {
  readonly port: number
  readonly otlp: string | undefined
  /** Gets the spans as well. */
  readonly also: SpanExporter
}

/** The SDK, running. */
export interface Sdk extends AsyncDisposable {
  /** Where the metrics are. */
  readonly metricsUrl: string
  /** Resolves when every span that has ended was handed over. */
  flush(): Promise<void>
}

/** Starts OpenTelemetry as an application does; nothing in here knows of Buslane, and nothing of Buslane is told of it. */
export async function startSdk({ port, otlp, also }: SdkOptions): Promise<Sdk> {
  const resource = resourceFromAttributes({ 'service.name': 'shop' })
  const spans = otlp === undefined ? new LineExporter() : new OTLPTraceExporter({ url: `${otlp}/v1/traces` })
  const tracerProvider = new TracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor({ exporter: spans }), new SimpleSpanProcessor({ exporter: also })],
  })
  const prometheus = new PrometheusExporter({ preventServerStart: true })
  const readers: IMetricReader[] = [prometheus]
  if (otlp !== undefined) {
    readers.push(new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${otlp}/v1/metrics` }) }))
  }
  const meterProvider = new MeterProvider({ resource, readers })
  // On a server of its own, since the exporter's cannot take just any free port.
  const server = createServer((request, response) => prometheus.getMetricsRequestHandler(request, response))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(tracerProvider)
  metrics.setGlobalMeterProvider(meterProvider)
  return {
    metricsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    flush: () => tracerProvider.forceFlush(),
    async [Symbol.asyncDispose]() {
      server.close()
      await Promise.allSettled([tracerProvider.shutdown(), meterProvider.shutdown()])
    },
  }
}
