import type { StoreCounts } from '@buslane/core'
import { knownFrom, readDeliveries } from './deliveries.ts'
import { Desk } from './desk.ts'
import { feed } from './feed.ts'
import { Journal } from './journal.ts'
import { JournalWriter } from './journal-file.ts'
import type { Options } from './options.ts'
import { simulatedServices } from './services.ts'
import { openStore } from './store.ts'

/** What the supervisor hands over, as JSON. */
export type WorkerOptions = Pick<Options, 'rate' | 'concurrency' | 'seed' | 'repeat' | 'databaseUrl'> & {
  readonly folder: string
  readonly journalFile: string
}

/** What it is told in the end. */
export interface WorkerOutcome {
  readonly stored: StoreCounts
  readonly refused: number
}

/**
 * A desk that may be killed at any time. It feeds itself, from the beginning each time, as GitHub sends again what was not
 * answered: the keys of deliveries make sure that nothing is taken in twice.
 */
async function work(options: WorkerOptions, signal: AbortSignal): Promise<WorkerOutcome> {
  const { rate, concurrency, seed, repeat, databaseUrl, folder, journalFile } = options
  const deliveries = await readDeliveries({ seed, repeat })
  const writer = new JournalWriter(journalFile)
  const desk = new Desk({
    concurrency,
    journal: new Journal(writer),
    services: simulatedServices(seed),
    followUpAfterMs: 300,
    persistence: openStore({ folder, databaseUrl }),
    durableDeliveries: true,
    known: knownFrom(deliveries),
  })
  await desk.start(({ id }) => writer.settled(id))
  let refused = 0
  try {
    refused = await feed(deliveries, (delivery) => desk.receive(delivery), { rate, signal })
    await desk.done(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
  const stored = await desk.stored()
  await desk.stop(10_000)
  writer.stopped()
  return { stored, refused }
}

const stop = new AbortController()
// A terminal sends Ctrl-C here, too; the supervisor says what to do.
process.on('SIGINT', () => {})
process.on('message', () => stop.abort())
process.on('disconnect', () => stop.abort())
const outcome = await work(JSON.parse(process.argv[2]!) as WorkerOptions, stop.signal)
if (process.connected) process.send!(outcome, () => process.disconnect())
