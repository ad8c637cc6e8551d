import {
  CrashRun,
  type Expected,
  judge,
  type PausePoint,
  type Verdict,
  type WorkerProcess,
} from '@buslane/testkit/crash'
import pg from 'pg'
import { type CrashOptions, EXEC_ARGV, HANDLERS, type Work } from '../crash/crash-options.ts'

let schemas = 0

/** Workers on a schema of their own, for one test. Dispose it. */
export class CrashBench implements AsyncDisposable {
  readonly options: CrashOptions
  readonly run: CrashRun<CrashOptions>
  readonly #connectionString: string

  constructor(connectionString: string, options: Partial<CrashOptions> = {}) {
    schemas += 1
    this.#connectionString = connectionString
    this.options = { connectionString, schema: `crash_${process.pid}_${schemas}`, leaseMs: 1000, ...options }
    this.run = new CrashRun({ program: new URL('../crash/worker.ts', import.meta.url), execArgv: EXEC_ARGV })
  }

  async started(options: Partial<CrashOptions> & { readonly pauseAt?: PausePoint } = {}): Promise<WorkerProcess> {
    const { pauseAt, ...rest } = options
    const worker = this.run.start({ ...this.options, ...rest }, pauseAt)
    await worker.ready
    return worker
  }

  /** Publishes, and ends. */
  async publishOnly(payload: Work): Promise<void> {
    const publisher = await this.started({ handles: false })
    await publisher.ask('publish', payload)
    await publisher.stop()
  }

  /** Resolves when nothing is left in the store but dead letters, with their reasons. */
  async emptied(worker: WorkerProcess): Promise<readonly string[]> {
    type Counts = Readonly<Record<'ready' | 'running' | 'scheduled', number>>
    await until(async () => {
      const { ready, running, scheduled } = (await worker.ask('counts')) as Counts
      return ready + running + scheduled === 0
    })
    return (await this.letters(worker)).map(({ reason }) => reason)
  }

  async letters(worker: WorkerProcess): Promise<readonly { readonly key: string; readonly reason: string }[]> {
    return (await worker.ask('letters')) as readonly { readonly key: string; readonly reason: string }[]
  }

  /** Resolves when the handler has begun, or ended, so often. */
  async noted(at: 'start' | 'end', handler: string, times = 1): Promise<void> {
    await until(() => this.count(at, handler) >= times)
  }

  /** Resolves when the store has answered that these handlers are done. */
  async saved(...handlers: readonly string[]): Promise<void> {
    await until(() => {
      const done = this.run.journal.read().flatMap((line) => (line.at === 'saved' ? (line.handlers ?? []) : []))
      return handlers.every((handler) => done.includes(handler))
    })
  }

  count(at: 'start' | 'end', handler: string): number {
    return this.run.journal.read().filter((line) => line.at === at && line.handler === handler).length
  }

  /** How often each handler has begun, in their order. */
  get starts(): readonly number[] {
    return HANDLERS.map(({ name }) => this.count('start', name))
  }

  verdict(expected: Partial<Expected> = {}): Verdict {
    const lines = this.run.journal.read()
    const events = new Set(lines.flatMap((line) => (line.at === 'start' ? [line.event] : [])))
    return judge(lines, { events, handlers: HANDLERS, dead: new Set(), ...expected })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run[Symbol.asyncDispose]()
    const client = new pg.Client({ connectionString: this.#connectionString })
    await client.connect()
    await client.query(`drop schema if exists "${this.options.schema}" cascade`)
    await client.end()
  }
}

/** Resolves when the condition holds; asked every few milliseconds, for at most 40 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 40_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not happen within 40 s')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
