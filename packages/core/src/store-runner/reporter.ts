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

/** Something leased whose handlers get further. */
interface Progressing {
  /** How far it is. */
  progress(): Report
}

type Answered = (answer: Reported) => void

interface Entry {
  readonly key: string
  /** `undefined`: the progress of `of`, as it is when it is sent. */
  report: Report | undefined
  of: Progressing | undefined
  answered: Answered
}

interface Sent {
  readonly key: string
  readonly report: Report
  readonly answered: Answered
}

const LOST: Reported = { status: 'lost' }

/** Lanes wait for commits, so a second batch goes while one is under way, unless it would be a small one. */
const MAX_FLIGHTS = 2

/**
 * Writes what became of events, in batches: what is reported while they are under way shares the next. It is sent until the
 * store has answered, however long that takes. Reports of one lease keep their order, one at a time; progress that has
 * not been sent is replaced by what comes after it.
 */
export class Reporter {
  readonly #host: ReporterHost
  #queue: Entry[] = []
  /** How many in the queue are more than progress. */
  #due = 0
  /** The last entry of each lease that has not been sent, by key. */
  readonly #last = new Map<string, Entry>()
  /** Leases of which a report is under way, by key. */
  readonly #inFlight = new Set<string>()
  #flights = 0
  /** Less than this is not worth a second flight. */
  #worth = 1
  #looking = false
  #landed = Promise.withResolvers<void>()

  constructor(host: ReporterHost) {
    this.#host = host
  }

  send(key: string, report: Report, answered: Answered): void {
    this.#put(key, report, undefined, answered)
  }

  /** `answered` is not called if something else is reported of the lease before this is sent. */
  sendProgress(key: string, of: Progressing, answered: Answered): void {
    this.#put(key, undefined, of, answered)
  }

  #put(key: string, report: Report | undefined, of: Progressing | undefined, answered: Answered): void {
    const last = this.#last.get(key)
    if (report) this.#due++
    if (last?.of !== undefined) {
      last.report = report
      last.of = of
      last.answered = answered
    } else {
      const entry: Entry = { key, report, of, answered }
      this.#queue.push(entry)
      this.#last.set(key, entry)
    }
    this.#look()
  }

  /** Resolves when everything that was reported has been answered, or will never be. */
  async flushed(): Promise<void> {
    while (this.#flights > 0 || this.#queue.length > 0) await this.#landed.promise
  }

  get #mayFly(): boolean {
    return this.#flights === 0 || (this.#flights < MAX_FLIGHTS && this.#due >= this.#worth)
  }

  /** In a microtask, so that what is reported in one go shares a batch. */
  #look(): void {
    if (this.#looking || !this.#mayFly) return
    this.#looking = true
    queueMicrotask(() => {
      this.#looking = false
      if (this.#mayFly && this.#queue.length > 0) void this.#fly()
    })
  }

  async #fly(): Promise<void> {
    this.#flights++
    // The end of an event often follows its progress at once: it replaces it, and saves a round trip.
    if (this.#due === 0) await new Promise<void>(nextTurn)
    const batch = this.#take()
    if (batch.length > 0) {
      this.#worth = Math.ceil(batch.length / 2)
      const answers = await this.#ask(batch)
      for (const { key } of batch) this.#inFlight.delete(key)
      for (const [index, { answered }] of batch.entries()) answered(answers[index] ?? LOST)
    }
    this.#flights--
    const { resolve } = this.#landed
    this.#landed = Promise.withResolvers()
    resolve()
    // What waits for a flight that is under way is looked at when that has landed.
    if (batch.length > 0 || this.#flights === 0) this.#look()
  }

  /** At most one report of each lease: a store may apply those of a batch by kind. */
  #take(): Sent[] {
    const { batchSize } = this.#host
    const batch: Sent[] = []
    const rest: Entry[] = []
    let taken = 0
    for (; taken < this.#queue.length && batch.length < batchSize; taken++) {
      const entry = this.#queue[taken]!
      const { key, answered } = entry
      if (this.#inFlight.has(key)) rest.push(entry)
      else {
        if (entry.of === undefined) this.#due--
        if (this.#last.get(key) === entry) this.#last.delete(key)
        const report = entry.report ?? entry.of!.progress()
        this.#inFlight.add(key)
        batch.push({ key, report, answered })
      }
    }
    this.#queue = rest.concat(this.#queue.slice(taken))
    return batch
  }

  async #ask(batch: readonly Sent[]): Promise<readonly Reported[]> {
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
  async #askEach(batch: readonly Sent[], error: unknown): Promise<readonly Reported[]> {
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
