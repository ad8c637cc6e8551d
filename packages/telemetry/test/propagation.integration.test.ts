import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createBus } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { context, createTraceState, propagation, trace } from '@opentelemetry/api'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest'
import { telemetry } from '../src/index.ts'
import { Paid } from './support/paid.ts'
import { memorySpans, useAsyncContext } from './support/sdk.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The Postgres of this run. */
    connectionString: string
  }
}

interface SpanReport {
  readonly name: string
  readonly id: string
  readonly traceId: string
  readonly parent: string | undefined
  readonly links: readonly object[]
  readonly attributes: Readonly<Record<string, unknown>>
}
interface Report {
  readonly tenant: string
  readonly spans: readonly SpanReport[]
}

const connectionString = inject('connectionString')
const schema = `telemetry_${randomUUID().slice(0, 8)}`
const main = fileURLToPath(new URL('support/consumer-process.ts', import.meta.url))
let consumer: ChildProcess

const nextMessage = async (): Promise<unknown> => ((await once(consumer, 'message')) as unknown[])[0]

beforeAll(useAsyncContext)
beforeEach(async () => {
  consumer = fork(main, [connectionString, schema], {
    execArgv: ['--conditions=@buslane/source', '--no-warnings'],
  })
  await nextMessage() // it has started
})
afterAll(async () => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(`drop schema if exists "${schema}" cascade`)
  await client.end()
})

it('R-OBS-1 links, trace state and listed baggage reach the process that handles the event', async () => {
  const spans = memorySpans()
  const persistence = postgresPersistence({ connectionString, schema })
  const plugins = [telemetry({ tracerProvider: spans.tracerProvider, baggage: ['tenant'] })]
  const bus = createBus({ persistence, plugins })
  await bus.start()
  const remote = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
    traceState: createTraceState('vendor=1'),
  }
  const baggage = propagation.createBaggage({ tenant: { value: 'acme' }, secret: { value: 'x' } })
  const around = propagation.setBaggage(trace.setSpanContext(context.active(), remote), baggage)
  const report = nextMessage() as Promise<Report>
  await context.with(around, () => bus.publish(Paid({ n: 1 })))
  const { tenant, spans: seen } = await report
  await bus.stop()

  const { traceId, spanId } = spans.one('send order.paid').spanContext()
  expect(traceId).toBe(remote.traceId)
  const [write, handle, handled] = ['write', 'handle order.paid', 'process order.paid'].map((name) =>
    seen.find((span) => span.name === name),
  )
  expect(seen).toHaveLength(3)
  expect(handled!.parent).toBeUndefined()
  expect(handled!.traceId).not.toBe(traceId)
  expect(handled!.links).toEqual([{ traceId, spanId, isRemote: true, state: 'vendor=1' }])
  expect([handle!.parent, write!.parent]).toEqual([handled!.id, handle!.id])
  expect(tenant).toBe('acme')
  expect(JSON.parse(String(write!.attributes['metadata']))).toEqual({
    traceparent: `00-${traceId}-${spanId}-01`,
    tracestate: 'vendor=1',
    baggage: 'tenant=acme',
  })
  consumer.disconnect()
  await once(consumer, 'exit')
})
