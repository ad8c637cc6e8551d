/**
 * What telemetry costs: the three-group benchmark of core with it beside the same without, in turn and within one process;
 * each scenario has a process of its own, and the figures are medians of the rounds.
 *
 *   node telemetry.bench.ts [--events n] [--rounds n]
 *
 * With an SDK, most of the time is the SDK's own. So the last scenario makes the same spans and records by hand, without a
 * bus: what is above that is telemetry's.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Bus, createBus, defineEvent, type Plugin } from '@buslane/core'
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

const { values } = parseArgs({
  options: { events: { type: 'string' }, rounds: { type: 'string' }, scenario: { type: 'string' } },
})
const ROUNDS = Number(values.rounds ?? 9)
const EVENTS = Number(values.events ?? 50_000)

const Ticked = defineEvent<{ n: number }>('bench.ticked')
let count = 0
const handlers = [1, 2, 3].map((step) => async (event: { payload: { n: number } }) => {
  count += event.payload.n * step
})

const busWith = async (...plugins: readonly Plugin[]): Promise<Bus> => {
  const bus = createBus({ plugins })
  for (const [index, handler] of handlers.entries()) {
    bus.on(Ticked, handler, { name: `handler-${index}`, priority: index * 10 })
  }
  await bus.start()
  return bus
}

/** Publishes a thousand at a time, and waits until they are handled. */
const drain = (bus: Bus) => async (): Promise<void> => {
  for (let n = 0; n < EVENTS;) {
    for (const end = Math.min(EVENTS, n + 1000); n < end; n++) void bus.publish(Ticked({ n }))
    await bus.idle()
  }
}

/** Takes what it is given, as one that sends it away does once the request is under way. */
const exporter: SpanExporter = {
  export: (_spans, done) => done({ code: 0 }),
  shutdown: () => Promise.resolve(),
  forceFlush: () => Promise.resolve(),
}

const tracing = (share = 1): TracerProvider => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) })
  return new TracerProvider({ sampler, spanProcessors: [new BatchSpanProcessor({ exporter })] })
}

const measuring = (): MeterProvider => {
  const memory = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  return new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: memory, exportIntervalMillis: 60_000 })],
  })
}

/** The five spans and six records of an event with three handlers, by hand. */
const sdkAlone = (): (() => Promise<void>) => {
  const tracer = tracing().getTracer('bench')
  const meter = measuring().getMeter('bench')
  const histogram = meter.createHistogram('bench')
  const about = (operation: string) => ({
    'messaging.system': 'buslane',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': 'bench.ticked',
  })
  const ids = { 'messaging.message.id': 'id', 'messaging.message.conversation_id': 'id' }
  return async () => {
    for (let n = 0; n < EVENTS; n++) {
      const send = tracer.startSpan('send', { kind: SpanKind.PRODUCER, attributes: { ...about('send'), ...ids } })
      const sent = trace.setSpan(ROOT_CONTEXT, send)
      histogram.record(n, about('send'))
      send.end()
      const consume = { kind: SpanKind.CONSUMER, attributes: { ...about('process'), ...ids } }
      const process = tracer.startSpan('process', consume, sent)
      const processing = trace.setSpan(sent, process)
      for (let group = 0; group < 3; group++) {
        const attributes = {
          'messaging.system': 'buslane',
          'messaging.destination.name': 'bench.ticked',
          'buslane.handler.name': 'handler',
          'buslane.handler.priority': group,
          'buslane.handler.attempt': 1,
        }
        tracer.startSpan('handle', { kind: SpanKind.INTERNAL, attributes }, processing).end()
        histogram.record(n, { ...about('handle'), 'buslane.handler.priority': group })
      }
      histogram.record(n, about('process'))
      histogram.record(n, { 'messaging.destination.name': 'bench.ticked' })
      process.end()
      if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

const withTelemetry = async (options: Parameters<typeof telemetry>[0]): Promise<() => Promise<void>> =>
  drain(await busWith(telemetry(options)))

const scenarios: Readonly<Record<string, () => Promise<() => Promise<void>>>> = {
  'no SDK': () => withTelemetry({}),
  'traces, 1 % sampled': () => withTelemetry({ tracerProvider: tracing(0.01), metrics: false }),
  'traces, all of them': () => withTelemetry({ tracerProvider: tracing(), metrics: false }),
  metrics: () => withTelemetry({ meterProvider: measuring(), traces: false }),
  'metrics, without those of handlers': () =>
    withTelemetry({ meterProvider: measuring(), traces: false, handlers: false }),
  'both, 1 % sampled': () => withTelemetry({ tracerProvider: tracing(0.01), meterProvider: measuring() }),
  'both, all traces': () => withTelemetry({ tracerProvider: tracing(), meterProvider: measuring() }),
  'the SDK alone, by hand': async () => sdkAlone(),
}

interface Figures {
  readonly plainNs: number
  readonly ns: number
}

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1]!

/** The time of the processor, so that what else the machine does counts for little. In nanoseconds per event. */
const time = async (run: () => Promise<void>): Promise<number> => {
  const before = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) / EVENTS) * 1000
}

/** In a process of its own. */
const measure = async (make: () => Promise<() => Promise<void>>): Promise<Figures> => {
  const [plain, run] = [drain(await busWith()), await make()]
  const [plains, times]: [number[], number[]] = [[], []]
  for (let round = 0; round <= ROUNDS; round++) {
    // In turn: what runs second finds the machine as the first left it.
    const order = round % 2 === 0 ? [plain, run] : [run, plain]
    const measured = new Map<typeof run, number>()
    for (const each of order) measured.set(each, await time(each))
    if (round === 0) continue // warms up
    plains.push(measured.get(plain)!)
    times.push(measured.get(run)!)
  }
  if (count === 0) throw new Error('no handler ran')
  return { plainNs: median(plains), ns: median(times) }
}

const inOwnProcess = (scenario: string): Figures => {
  const words = [...process.execArgv, fileURLToPath(import.meta.url), '--scenario', scenario]
  // What differs by less than noise is measured for longer.
  const rounds = scenario === 'no SDK' ? ROUNDS * 3 : ROUNDS
  const sizes = ['--events', String(EVENTS), '--rounds', String(rounds)]
  const { stdout, stderr, status } = spawnSync(process.execPath, [...words, ...sizes], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`'${scenario}' failed: ${stderr}`)
  return JSON.parse(stdout) as Figures
}

const report = (): void => {
  console.log(
    `Node ${process.version}, ${EVENTS.toLocaleString('en')} events, median of ${ROUNDS} interleaved rounds\n`,
  )
  const added = new Map<string, number>()
  let ratio = 0
  for (const name of Object.keys(scenarios)) {
    const { plainNs, ns } = inOwnProcess(name)
    const alone = name.startsWith('the SDK alone')
    added.set(name, alone ? ns : ns - plainNs)
    if (name === 'no SDK') ratio = ns / plainNs
    const [each, more] = [ns.toFixed(0).padStart(6), (added.get(name)! / 1000).toFixed(2).padStart(6)]
    const beside = alone ? '' : `   ${(ns / plainNs).toFixed(2)} x the bus without (${plainNs.toFixed(0)} ns)`
    console.log(`${name.padEnd(36)} ${each} ns each   ${more} us more${beside}`)
  }
  const all = added.get('both, all traces')! / 1000
  const sampled = added.get('both, 1 % sampled')! / 1000
  const own = all - added.get('the SDK alone, by hand')! / 1000
  const say = (met: boolean, what: string): void => console.log(`${met ? 'met    ' : 'NOT MET'} ${what}`)
  console.log()
  say(ratio <= 1.1, `without an SDK at most 10 % more (${((ratio - 1) * 100).toFixed(1)} %)`)
  say(all <= 5, `with an SDK and batch export at most 5 us per event, all traces (${all.toFixed(2)} us)`)
  say(sampled <= 5, `the same, 1 % of the traces sampled (${sampled.toFixed(2)} us)`)
  say(own <= 5, `the same, less what the SDK takes by itself (${own.toFixed(2)} us)`)
}

const { scenario } = values
if (scenario === undefined) report()
else {
  process.stdout.write(JSON.stringify(await measure(scenarios[scenario]!)))
  process.exit() // periodic readers would go on
}
