import path from 'node:path'
import type { Delivery } from './deliveries.ts'
import { expectedDurableFigures } from './expectation.ts'
import { differences, repeated } from './figures.ts'
import { JournalReader } from './journal-file.ts'
import { OptionError, type Options } from './options.ts'
import { checkOrder } from './order-check.ts'
import { seenDurableFigures } from './outcome.ts'
import { Progress } from './progress.ts'
import { formatReport } from './report.ts'
import { supervise } from './supervisor.ts'
import type { Verdict } from './verdict.ts'

/**
 * Everything in the store, and the desk in a process of its own, which is killed as often as wanted. What came of it is
 * read from the journal that the handlers of all those processes wrote.
 *
 * @throws {OptionError} if the folder is that of other deliveries
 */
export async function runDurable(deliveries: readonly Delivery[], options: Options, folder: string): Promise<Verdict> {
  const { seed, repeat, kills, crash } = options
  const journalFile = path.join(folder, 'journal.ndjson')
  const journal = new JournalReader(journalFile)
  const feed = `--seed ${seed} --repeat ${repeat}`
  const known = journal.feed(feed)
  if (known !== feed)
    throw new OptionError(`${folder} is of a run with ${known}: go on with these, or use another folder`)
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())

  const handledBefore = journal.handled.size
  const killedBefore = journal.killed.size
  if (handledBefore > 0) console.log(`${handledBefore} of ${deliveries.length} were handled in earlier runs.`)
  const progress = new Progress(deliveries.length, process.stdout)
  progress.startAt(handledBefore)
  const startedAt = performance.now()
  const { outcome, killed } = await supervise({
    worker: { ...options, folder, journalFile },
    kills,
    signal: interrupt.signal,
    killWhen: (count) => journal.handled.size >= Math.floor(((count + 0.2) / kills) * deliveries.length),
    look() {
      journal.read()
      progress.to(journal.handled.size)
    },
  })
  const seconds = (performance.now() - startedAt) / 1000
  journal.read()
  journal.close()
  progress.to(journal.handled.size)
  progress.end()

  const { runs } = journal
  const violations = checkOrder(runs, journal.killed)
  const figures = seenDurableFigures({ runs, violations, ...outcome })
  const again = repeated(runs)
  const lost = deliveries.length - figures['deliveries handled']
  const off = differences(figures, expectedDurableFigures(deliveries, seed))
  if (journal.afterSettled.length > 0) off.push(`runs after what was settled: ${journal.afterSettled.length}`)
  if (crash && killed !== kills) off.push(`kills: ${killed} instead of ${kills}`)
  if (journal.killed.size - killedBefore > killed) off.push('the desk died of itself')
  return {
    report: formatReport({
      offered: deliveries.length,
      seconds,
      handledNow: figures['deliveries handled'] - handledBefore,
      runs,
      figures,
      more: {
        kills: `${killed}`,
        'in part twice': `${again.deliveries} deliveries, ${again.runs} runs of handlers`,
        lost: `${lost}`,
      },
    }),
    violations,
    off,
    stoppedEarly: interrupt.signal.aborted ? `${lost} deliveries are not handled` : undefined,
  }
}
