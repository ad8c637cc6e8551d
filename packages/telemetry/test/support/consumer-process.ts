// Handles stored events in a process of its own and sends its spans to its parent: node consumer-process.ts <url> <schema>
import { createBus } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { propagation, trace } from '@opentelemetry/api'
import { telemetry } from '../../src/index.ts'
import { Paid } from './paid.ts'
import { memorySpans, useAsyncContext } from './sdk.ts'

const [connectionString, schema] = process.argv.slice(2)
useAsyncContext()
const spans = memorySpans()
trace.setGlobalTracerProvider(spans.tracerProvider)
const persistence = postgresPersistence({ connectionString: connectionString!, schema: schema! })
const bus = createBus({ persistence, plugins: [telemetry({ baggage: ['tenant'] })] })
let tenant: string | undefined
bus.on(
  Paid,
  async ({ metadata }) => {
    tenant = propagation.getActiveBaggage()?.getEntry('tenant')?.value
    const own = spans.tracerProvider.getTracer('app').startSpan('write')
    own.setAttribute('metadata', JSON.stringify(metadata))
    own.end()
  },
  { name: 'book' },
)
bus.observe({
  eventSettled: () => {
    // The span of the event ends in the same call, after this observer or before it.
    setImmediate(() =>
      process.send?.({
        tenant,
        spans: spans.all().map((span) => ({
          name: span.name,
          id: span.spanContext().spanId,
          traceId: span.spanContext().traceId,
          parent: span.parentSpanContext?.spanId,
          links: span.links.map(({ context: { traceId, spanId, isRemote, traceState } }) => {
            return { traceId, spanId, isRemote, state: traceState?.serialize() }
          }),
          attributes: span.attributes,
        })),
      }),
    )
  },
})
await bus.start()
process.on('disconnect', () => void bus.stop().then(() => process.exit()))
process.send?.('started')
