import { nextTurn } from '../clock.ts'
import type { Report, Reported } from '../persistence.ts'
import type { Timer } from '../timers.ts'
import { isFinal } from './unavailable.ts'

/** What reporting needs of the store behind it. */
interface ReporterHost {
  readonly batchSize: number
  report(reports: readonly Report[]): Promise<readonly Reported[]>
  /** Resolves when the store can be asked again; `false`: it will not be. */
  whenUp(): Promise<boolean>
  /** The store answers, and does not take this report. */
  refused(report: Report, error: unknown): void
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer): void
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
  refusals: number
}

interface Sent {
  readonly key: string
  readonly report: Report
  readonly answered: Answered
  /** How often the store refused it. */
  readonly refusals: number
}

type Answer = Reported | 'refused'

const LOST: Reported = { status: 'lost' }
/** Progress that is refused is written again with what has come since. */
const SKIPPED: Reported = { status: 'ok', skipped: true }

const FIRST_BACK_OFF_MS = 1000
const MAX_BACK_OFF_MS = 30_000

/** Lanes wait for commits, so a second batch goes while one is under way, unless it would be a small one. */
const MAX_FLIGHTS = 2

/**
 * Writes what became of events, in batches: what is reported while they are under way shares the next. It is sent until the
 * store has answered, however long that takes. Reports of one lease keep their order, one at a time; progress that has
 * not been sent is replaced by what comes after it.
 *
 * What the store refuses is sent again, too, after pauses that grow: given back, the event would run again although it is known here
 * what became of it.
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
  /** What the store refused and is yet to be sent again, by key. */
  readonly #refused = new Map<string, { readonly sent: Sent; readonly timer: Timer }>()
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

  /** How many reports the store refuses: what they tell is known here only. */
  get refused(): number {
    return this.#refused.size
  }

  #put(key: string, report: Report | undefined, of: Progressing | undefined, answered: Answered): void {
    // What has not started needs no start any more.
    if (report && this.#refused.get(key)?.sent.report.kind === 'start') this.#giveUp(key)
    const last = this.#last.get(key)
    if (report) this.#due++
    if (last?.of !== undefined) {
      last.report = report
      last.of = of
      last.answered = answered
    } else {
      const entry: Entry = { key, report, of, answered, refusals: 0 }
      this.#queue.push(entry)
      this.#last.set(key, entry)
    }
    this.#look()
  }

  /** Resolves when everything that was reported has been answered, or will never be; what was refused is tried once more, at once. */
  async flushed(): Promise<void> {
    for (const key of this.#refused.keys()) this.#sendAgain(key)
    while (this.#flights > 0 || this.#queue.some(({ key }) => !this.#refused.has(key))) await this.#landed.promise
  }

  /** Nothing is sent again. */
  close(): void {
    for (const key of this.#refused.keys()) this.#giveUp(key)
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
      for (const [index, sent] of batch.entries()) if (answers[index] !== 'refused') this.#inFlight.delete(sent.key)
      for (const [index, sent] of batch.entries()) this.#tell(sent, answers[index] ?? LOST)
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
      const { key, answered, refusals } = entry
      if (this.#inFlight.has(key)) rest.push(entry)
      else {
        if (entry.of === undefined) this.#due--
        if (this.#last.get(key) === entry) this.#last.delete(key)
        const report = entry.report ?? entry.of!.progress()
        this.#inFlight.add(key)
        batch.push({ key, report, answered, refusals })
      }
    }
    this.#queue = rest.concat(this.#queue.slice(taken))
    return batch
  }

  async #ask(batch: readonly Sent[]): Promise<readonly Answer[]> {
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
  async #askEach(batch: readonly Sent[], error: unknown): Promise<readonly Answer[]> {
    const [only] = batch
    if (batch.length === 1 && only) {
      this.#host.refused(only.report, error)
      return [only.report.kind === 'progress' ? SKIPPED : 'refused']
    }
    const answers: Answer[] = []
    for (const entry of batch) answers.push(...(await this.#ask([entry])))
    return answers
  }

  #tell(sent: Sent, answer: Answer): void {
    if (answer !== 'refused') return sent.answered(answer)
    const { key, refusals } = sent
    const backOffMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** refusals)
    const timer = this.#host.after(backOffMs, () => this.#sendAgain(key))
    this.#refused.set(key, { sent: { ...sent, refusals: refusals + 1 }, timer })
    // It was put after the report that was under way.
    if (sent.report.kind === 'start' && this.#last.has(key)) this.#giveUp(key)
  }

  #sendAgain(key: string): void {
    const { sent } = this.#takeRefused(key)
    // Before what was reported of the lease since.
    this.#queue.unshift({ ...sent, of: undefined })
    this.#due++
    this.#look()
  }

  #giveUp(key: string): void {
    const { sent } = this.#takeRefused(key)
    sent.answered(LOST)
    this.#look()
  }

  #takeRefused(key: string): { readonly sent: Sent } {
    const refused = this.#refused.get(key)!
    this.#refused.delete(key)
    this.#inFlight.delete(key)
    this.#host.cancel(refused.timer)
    return refused
  }
}
