import { setTimeout as sleep } from 'node:timers/promises'
import { telemetry } from '@buslane/telemetry'
import { check } from './check.ts'
import { OptionError, type Options, readOptions, usage } from './options.ts'
import { startSdk } from './sdk.ts'
import { simulatedServices } from './services.ts'
import { Shop } from './shop.ts'
import { SpanTally } from './span-tally.ts'
import { tracedServices } from './traced-services.ts'

const ORDERS_ONCE = 120

/** Opens the shop, and gives the exit code. */
async function run({ once, rate, port, otlp }: Options): Promise<number> {
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  const { signal } = interrupt
  const tally = new SpanTally(once)
  await using sdk = await startSdk({ port, otlp, also: tally })
  console.log(`Metrics: ${sdk.metricsUrl}`)

  const shop = new Shop({
    services: tracedServices(simulatedServices()),
    plugins: [telemetry({ eventLoopDelay: true })],
  })
  await shop.start()
  try {
    for (let orders = 0; !once || orders < ORDERS_ONCE; orders++) {
      await shop.placeOrder()
      await sleep(rate === 0 ? 0 : 1000 / rate, undefined, { signal })
    }
    await shop.done(signal)
    await sdk.flush()
    return await check(tally, sdk.metricsUrl)
  } catch (error) {
    if (!signal.aborted) throw error
    return 0
  } finally {
    await shop.stop()
  }
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
