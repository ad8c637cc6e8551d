import { readDeliveries } from './deliveries.ts'
import { Desk } from './desk.ts'
import { expectedFigures } from './expectation.ts'
import { feed } from './feed.ts'
import { differences } from './figures.ts'
import { Journal } from './journal.ts'
import { OptionError, type Options, readOptions, usage } from './options.ts'
import { checkOrder } from './order-check.ts'
import { type Evidence, seenFigures } from './outcome.ts'
import { Progress } from './progress.ts'
import { formatReport } from './report.ts'
import { simulatedServices } from './services.ts'

const INTERRUPTED = 130
const SHOWN_VIOLATIONS = 5

/** Runs the deliveries through the desk and gives the exit code. */
async function run({ rate, concurrency, seed, repeat }: Options): Promise<number> {
  const deliveries = await readDeliveries({ seed, repeat })
  const interrupt = new AbortController()
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', () => interrupt.abort())
  const { signal } = interrupt

  const journal = new Journal()
  const desk = new Desk({ concurrency, journal, services: simulatedServices(seed), followUpAfterMs: 300 })
  const progress = new Progress(deliveries.length, process.stdout)
  const startedAt = performance.now()
  await desk.start(() => progress.step())
  let refused = 0
  try {
    refused = await feed(deliveries, (delivery) => desk.receive(delivery), { rate, signal })
    await desk.done(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
  const stopReport = await desk.stop(signal.aborted ? 1_000 : 10_000)
  const seconds = (performance.now() - startedAt) / 1000
  progress.end()

  const evidence = { desk, journal, violations: checkOrder(journal.runs), stopReport, refused }
  const figures = seenFigures(evidence)
  print(formatReport({ offered: deliveries.length, seconds, runs: journal.runs, figures }), evidence)
  if (signal.aborted) {
    console.log(`Stopped early: ${stopReport.left.length} events were accepted and not handled.`)
    return INTERRUPTED
  }
  const off = differences(figures, expectedFigures(deliveries, seed))
  if (off.length === 0) console.log(`All as expected for seed ${seed}.`)
  else console.error(`Off:\n${off.map((line) => `  ${line}`).join('\n')}`)
  return off.length === 0 ? 0 : 1
}

function print(report: string, { violations }: Evidence): void {
  console.log(`\n${report}\n`)
  for (const { rule, lane, detail } of violations.slice(0, SHOWN_VIOLATIONS)) {
    console.error(`In ${lane}, not so: ${rule}. ${detail}`)
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
