import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Journal } from './journal.ts'
import type { PausePoint } from './pauses.ts'
import { WorkerProcess } from './worker-process.ts'
import type { WorkerStart } from './worker-program.ts'

/** Options of {@link CrashRun}. */
export interface CrashRunOptions {
  /** The worker program: a module that calls {@link crashWorker}. */
  readonly program: URL
  /** Options of Node for the workers. Default: none. */
  readonly execArgv?: readonly string[]
  /** Whether each line of the journal is flushed to the disk. Default `true`. */
  readonly sync?: boolean
}

/** Workers that share one store and one journal, and can be killed. Dispose it: that kills what still runs. */
export class CrashRun<Options> implements AsyncDisposable {
  readonly journal: Journal
  readonly #options: CrashRunOptions
  readonly #folder: string
  readonly #workers: WorkerProcess[] = []
  #disposed = false

  constructor(options: CrashRunOptions) {
    this.#options = options
    this.#folder = mkdtempSync(path.join(tmpdir(), 'buslane-crash-'))
    this.journal = new Journal(path.join(this.#folder, 'journal.jsonl'), { sync: false })
  }

  /** Starts one more worker; `pauseAt`: where it is to stand still. */
  start(options: Options, pauseAt?: PausePoint): WorkerProcess {
    const { program, execArgv = [], sync = true } = this.#options
    const start: WorkerStart<Options> = { journal: this.journal.file, sync, pauseAt, options }
    const worker = new WorkerProcess(fileURLToPath(program), JSON.stringify(start), this.journal, execArgv)
    this.#workers.push(worker)
    return worker
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await Promise.all(this.#workers.map((worker) => worker.kill()))
    this.journal.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
