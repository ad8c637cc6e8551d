import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('lock-holder.ts', import.meta.url))

/** A process that takes the lock of a folder when it is told to. */
export class LockProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(dataDir: string) {
    this.#child = spawn(process.execPath, ['--conditions=@buslane/source', '--no-warnings', script, dataDir], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Resolves when it has started and waits. */
  async ready(): Promise<void> {
    await this.#lines.next()
  }

  /** `held`, or the code of the error. */
  async take(): Promise<string> {
    this.#child.stdin!.write('\n')
    return ((await this.#lines.next()) as IteratorYieldResult<string>).value
  }

  /** Lets it give up what it has, and end. */
  async end(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin!.end('\n')
    await ended
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
