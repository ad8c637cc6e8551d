import { type ChildProcess, fork } from 'node:child_process'
import type { Journal } from './journal.ts'
import type { PausePoint } from './pauses.ts'
import type { WorkerMessage, WorkerRequest } from './worker-program.ts'

/** A worker in a process of its own, as its parent sees it. */
export class WorkerProcess {
  readonly pid: number
  /** Resolves when it has begun to work; rejects if it ends before. */
  readonly ready: Promise<void>
  /** Resolves when it stands still where it was told to; rejects if it ends before. */
  readonly paused: Promise<PausePoint>
  /** Resolves when the process is gone. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly #child: ChildProcess
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>()
  #requests = 0

  constructor(program: string, argument: string, journal: Journal, execArgv: readonly string[]) {
    const ready = settledLater<void>()
    const paused = settledLater<PausePoint>()
    this.#child = fork(program, [argument], { execArgv: [...execArgv], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.pid = this.#child.pid!
    this.ready = ready.promise
    this.paused = paused.promise
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        // It writes nothing any more: what it was at is open for ever.
        journal.write({ at: 'killed', victim: this.pid })
        const error = new Error(`Worker ${this.pid} ended (${signal ?? code})`)
        for (const waiting of [ready, paused, ...this.#asked.values()]) waiting.reject(error)
        resolve({ code, signal })
      })
    })
    this.#child.on('error', (error) => ready.reject(error))
    this.#child.on('message', (given) => {
      const message = given as WorkerMessage
      if (message.kind === 'ready') ready.resolve()
      else if (message.kind === 'paused') paused.resolve(message.point)
      else if (message.kind === 'answer') this.#take(message.id)?.resolve(message.value)
      else if (message.id === undefined) ready.reject(new Error(message.message))
      else this.#take(message.id)?.reject(new Error(message.message))
    })
  }

  /** Whether the process runs. */
  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Asks for one of the program's verbs; resolves with its answer, rejects if it fails or the worker ends. */
  ask(name: string, value?: unknown): Promise<unknown> {
    const id = (this.#requests += 1)
    const answer = settledLater<unknown>()
    this.#asked.set(id, answer)
    const request: WorkerRequest = { id, name, value }
    this.#child.send(request, (error) => {
      if (error) this.#take(id)?.reject(error)
    })
    return answer.promise
  }

  /** SIGKILL, to this process and no other. Resolves when it is gone. *Idempotent.* */
  async kill(): Promise<void> {
    if (this.alive) process.kill(this.pid, 'SIGKILL')
    await this.exited
  }

  /** SIGSTOP: the process lives, and does nothing, until `thaw`. It can be killed meanwhile. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** Lets it finish what it is at. Resolves when it is gone; kills it if that takes longer than so many milliseconds. */
  async stop(limitMs = 15_000): Promise<void> {
    const late = setTimeout(() => void this.kill(), limitMs)
    await this.ask('stop').catch(() => undefined)
    if (this.#child.connected) this.#child.disconnect()
    await this.exited
    clearTimeout(late)
  }

  #take(id: number): PromiseWithResolvers<unknown> | undefined {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    return asked
  }
}

/** A promise that nobody has to wait for: its rejection is not unhandled. */
function settledLater<Value>(): PromiseWithResolvers<Value> {
  const settled = Promise.withResolvers<Value>()
  settled.promise.catch(() => {})
  return settled
}
