import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { WorkerOptions, WorkerOutcome } from './worker.ts'

const LOOK_MS = 10

export interface SuperviseOptions {
  readonly worker: WorkerOptions
  readonly kills: number
  /** Whether it is time for another kill, after `killed`. */
  readonly killWhen: (killed: number) => boolean
  /** Called again and again while the worker works. */
  readonly look: () => void
  /** Asks the worker to stop. */
  readonly signal: AbortSignal
}

/** Runs the worker, kills it as often as wanted, and starts it again each time, until it says that it is done. */
export async function supervise(options: SuperviseOptions): Promise<{ outcome: WorkerOutcome; killed: number }> {
  for (let killed = 0; ;) {
    const child = fork(new URL('worker.ts', import.meta.url), [JSON.stringify(options.worker)])
    let outcome: WorkerOutcome | undefined
    child.on('message', (message) => void (outcome = message as WorkerOutcome))
    let wasKilled = false
    const timer = setInterval(() => {
      options.look()
      if (wasKilled || killed >= options.kills || options.signal.aborted || !options.killWhen(killed)) return
      wasKilled = child.kill('SIGKILL')
    }, LOOK_MS)
    const [code] = await ended(child, options.signal).finally(() => clearInterval(timer))
    if (outcome !== undefined && code === 0) return { outcome, killed }
    if (!wasKilled) throw new Error(`The desk ended with code ${code}. What it said is above.`)
    killed++
  }
}

async function ended(child: ChildProcess, signal: AbortSignal): Promise<readonly (number | null)[]> {
  const stop = (): void => void (child.connected && child.send('stop'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  try {
    return (await once(child, 'exit')) as (number | null)[]
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
