import { nextTurn } from '../clock.ts'
import type { Report, Reported } from '../persistence.ts'
import { isFinal } from './unavailable.ts'

/** What reporting needs of the store behind it. */
interface ReporterHost {
  readonly batchSize: number
  report(reports: readonly Report[]): Promise<readonly Reported[]>
  /** Resolves when the store can be asked again; `false`: it will not be. */
  whenUp(): Promise<boolean>
  /** A report that the store will never take. */
  refused(report: Report, error: unknown): void
}

interface Entry {
  report: Report
  readonly done: PromiseWithResolvers<Reported>
}

const LOST: Reported = { status: 'lost' }

/**
 * Writes what became of events, in batches, one at a time: what is reported while a batch is under way shares the next. It is
 * sent until the store has answered, however long that takes. Reports of one lease keep their order; progress that has
 * not been sent is replaced by what comes after it.
 */
export class Reporter {
  readonly #host: ReporterHost
  #queue: Entry[] = []
  /** The last entry of each lease that has not been sent, by key. */
  readonly #last = new Map<string, Entry>()
  #sending: Promise<void> | undefined = undefined

  constructor(host: ReporterHost) {
    this.#host = host
  }

  send(report: Report): Promise<Reported> {
    const { key } = report.lease
    const last = this.#last.get(key)
    if (last?.report.kind === 'progress') {
      last.report = report
      return last.done.promise
    }
    const entry: Entry = { report, done: Promise.withResolvers() }
    this.#queue.push(entry)
    this.#last.set(key, entry)
    this.#sending ??= this.#send()
    return entry.done.promise
  }

  /** Resolves when everything that was reported has been answered, or will never be. */
  async flushed(): Promise<void> {
    while (this.#sending) await this.#sending
  }

  async #send(): Promise<void> {
    await Promise.resolve() // what is reported in one go shares a batch
    while (this.#queue.length > 0) {
      // The end of an event often follows its progress at once: it replaces it, and saves a round trip.
      if (this.#queue.every(({ report }) => report.kind === 'progress')) await new Promise<void>(nextTurn)
      const batch = this.#take()
      const answers = await this.#ask(batch)
      for (const [index, { done }] of batch.entries()) done.resolve(answers[index] ?? LOST)
    }
    this.#sending = undefined
  }

  /** At most one report of each lease: a store may apply those of a batch by kind. */
  #take(): Entry[] {
    const { batchSize } = this.#host
    const batch: Entry[] = []
    const rest: Entry[] = []
    const keys = new Set<string>()
    for (const entry of this.#queue) {
      const { key } = entry.report.lease
      if (batch.length >= batchSize || keys.has(key)) rest.push(entry)
      else {
        batch.push(entry)
        if (this.#last.get(key) === entry) this.#last.delete(key)
      }
      keys.add(key)
    }
    this.#queue = rest
    return batch
  }

  async #ask(batch: readonly Entry[]): Promise<readonly Reported[]> {
    const reports = batch.map(({ report }) => report)
    for (;;) {
      try {
        return await this.#host.report(reports)
      } catch (error) {
        if (isFinal(error)) return this.#askEach(batch, error)
        if (!(await this.#host.whenUp())) return []
      }
    }
  }

  /** One of them is more than the store can take; the others must not suffer for it. */
  async #askEach(batch: readonly Entry[], error: unknown): Promise<readonly Reported[]> {
    const [only] = batch
    if (batch.length === 1 && only) {
      this.#host.refused(only.report, error)
      return [LOST]
    }
    const answers: Reported[] = []
    for (const entry of batch) answers.push(...(await this.#ask([entry])))
    return answers
  }
}
