import { type Delivery, knownFrom } from './deliveries.ts'
import { Desk } from './desk.ts'
import { expectedFigures } from './expectation.ts'
import { feed } from './feed.ts'
import { differences } from './figures.ts'
import { Journal } from './journal.ts'
import type { Options } from './options.ts'
import { checkOrder } from './order-check.ts'
import { seenFigures } from './outcome.ts'
import { Progress } from './progress.ts'
import { formatReport } from './report.ts'
import { MailServer, simulatedServices } from './services.ts'
import { openStore } from './store.ts'
import type { Verdict } from './verdict.ts'

/** Deliveries in memory, in this process; alerts and follow-ups in the store. */
export async function runInMemory(deliveries: readonly Delivery[], options: Options, folder: string): Promise<Verdict> {
  const { rate, concurrency, seed, databaseUrl } = options
  const interrupt = new AbortController()
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', () => interrupt.abort())
  const { signal } = interrupt

  const journal = new Journal()
  const mail = new MailServer(seed)
  const desk = new Desk({
    concurrency,
    journal,
    services: simulatedServices(seed, mail),
    followUpAfterMs: 300,
    persistence: openStore({ folder, databaseUrl }),
    durableDeliveries: false,
    known: knownFrom(deliveries),
  })
  const progress = new Progress(deliveries.length, process.stdout)
  await desk.start(({ type }) => {
    if (type.startsWith('github.')) progress.step()
  })
  const startedAt = performance.now()
  let refused = 0
  try {
    refused = await feed(deliveries, (delivery) => desk.receive(delivery), { rate, signal })
    await desk.done(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
  const seconds = (performance.now() - startedAt) / 1000
  const stored = await desk.stored()
  const letters = await desk.deadLetters()
  mail.mend()
  const replayed = signal.aborted ? 0 : await desk.replay(signal).catch(() => 0)
  const lettersLeft = (await desk.stored()).deadLetters
  const stopReport = await desk.stop(signal.aborted ? 1_000 : 10_000)
  progress.end()

  const { runs } = journal
  const violations = checkOrder(runs)
  const figures = seenFigures({ desk, runs, violations, stored, stopReport, refused, replayed, lettersLeft })
  return {
    report: formatReport({
      offered: deliveries.length,
      seconds,
      runs: runs.filter(({ isReplay }) => !isReplay),
      figures,
      more: {
        retries: `${figures.retries}`,
        'dead letters': `${letters.length}, the first: ${letters[0] ?? 'none'}`.slice(0, 60),
        replayed: `${replayed} once the mailboxes were mended, ${lettersLeft} left`,
      },
    }),
    violations,
    off: differences(figures, expectedFigures(deliveries, seed)),
    stoppedEarly: signal.aborted ? `${stopReport.left.length} events were accepted and not handled` : undefined,
  }
}
