import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import type { WorkerAssignment } from './worker.ts'

const workerFile = path.join(import.meta.dirname, 'worker.ts')
/** As long as a supervisor waits, so that a worker that cannot start does not fill the machine. */
const RESTART_MS = 200

/** Keeps one worker process running: starts it again whenever it ends. */
export class Supervisor {
  readonly #assignment: WorkerAssignment
  #child: ChildProcess | undefined
  #stopped = false

  constructor(assignment: WorkerAssignment) {
    this.#assignment = assignment
    this.#start()
  }

  #start(): void {
    if (this.#stopped) return
    const child = fork(workerFile, [JSON.stringify(this.#assignment)], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    this.#child = child
    child.once('exit', () => void setTimeout(() => this.#start(), RESTART_MS))
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  stop(): void {
    this.#stopped = true
    this.kill()
  }
}
