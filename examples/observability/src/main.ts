import { setTimeout as sleep } from 'node:timers/promises'
import { Desk, feed, Journal, knownFrom, readDeliveries, simulatedServices } from '@buslane/example-webhook-desk'
import { memoryPersistence } from '@buslane/persistence-memory'
import { telemetry } from '@buslane/telemetry'
import { check } from './check.ts'
import { OptionError, type Options, readOptions, usage } from './options.ts'
import { startSdk } from './sdk.ts'
import { SpanTally } from './span-tally.ts'
import { tracedServices } from './traced-services.ts'

const SEED = 1
const DELIVERIES_ONCE = 120

/** Runs the desk, and gives the exit code. */
async function run({ once, rate, port, otlp }: Options): Promise<number> {
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  const { signal } = interrupt
  const tally = new SpanTally(once)
  await using sdk = await startSdk({ port, otlp, also: tally })
  console.log(`Metrics: ${sdk.metricsUrl}`)

  const deliveries = await readDeliveries({ seed: SEED, repeat: 1 })
  const desk = new Desk({
    concurrency: 100,
    journal: new Journal(),
    services: tracedServices(simulatedServices(SEED)),
    followUpAfterMs: 300,
    persistence: memoryPersistence(),
    durableDeliveries: false,
    known: knownFrom(deliveries),
    plugins: [telemetry({ eventLoopDelay: true })],
    // Telemetry is not told of it, and shows its retries, dead letters and circuits all the same.
    resilience: {
      retry: { maxRetries: 1, initialDelayMs: 10 },
      circuitBreaker: { consecutive: 2, openForMs: 50 },
      intakePause: { failureRate: 0.5, minimumCalls: 20, windowMs: 10_000, pauseForMs: 5_000 },
    },
  })
  await desk.start(() => {})
  try {
    if (once) {
      await feed(deliveries.slice(0, DELIVERIES_ONCE), (delivery) => desk.receive(delivery), { rate, signal })
      await desk.done(signal)
      await sdk.flush()
      return await check(tally, sdk.metricsUrl)
    }
    while (!signal.aborted) {
      await feed(deliveries, (delivery) => desk.receive(delivery), { rate, signal })
      await sleep(0)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await desk.stop(1_000)
  }
  return 0
}

async function main(words: readonly string[]): Promise<number> {
  try {
    const options = readOptions(words)
    if (!options.help) return await run(options)
    console.log(usage)
    return 0
  } catch (error) {
    if (!(error instanceof OptionError)) throw error
    console.error(`${error.message}\n\n${usage}`)
    return 2
  }
}

process.exitCode = await main(process.argv.slice(2))
