import { Journal } from './journal.ts'
import type { PausePoint } from './pauses.ts'
import { Pauses } from './pauses.ts'

/** What a worker is started with: one argument of its process, as JSON. */
export interface WorkerStart<Options> {
  readonly journal: string
  /** Whether each line of the journal is flushed to the disk. */
  readonly sync: boolean
  readonly pauseAt: PausePoint | undefined
  readonly options: Options
}

/** From the worker to its parent. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'paused'; readonly point: PausePoint }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number | undefined; readonly message: string }

/** From the parent to its worker. */
export interface WorkerRequest {
  readonly id: number
  readonly name: string
  readonly value: unknown
}

/** What a worker program is given. */
export interface WorkerTools<Options> {
  readonly options: Options
  readonly journal: Journal
  readonly pauses: Pauses
}

/** What the parent can ask of a worker, by name. `stop` ends it gently. */
export type WorkerVerbs = Readonly<Record<string, (value: never) => unknown>> & { readonly stop: () => unknown }

/**
 * The body of a worker program: a module that {@link CrashRun.start} runs in a process of its own. Calls `begin`, which resolves
 * when the worker works, and then answers what the parent asks. Ends with the parent.
 */
export async function crashWorker<Options>(
  begin: (tools: WorkerTools<Options>) => Promise<WorkerVerbs>,
): Promise<void> {
  const start = JSON.parse(process.argv[2] ?? '{}') as WorkerStart<Options>
  const journal = new Journal(start.journal, { sync: start.sync })
  const pauses = new Pauses(start.pauseAt, (point) => send({ kind: 'paused', point }))
  process.on('disconnect', () => process.exit())
  try {
    const verbs = await begin({ options: start.options, journal, pauses })
    process.on('message', (request) => void answer(verbs, request as WorkerRequest))
    send({ kind: 'ready' })
  } catch (error) {
    send({ kind: 'failed', id: undefined, message: textOf(error) })
  }
}

async function answer(verbs: WorkerVerbs, { id, name, value }: WorkerRequest): Promise<void> {
  try {
    const verb = verbs[name]
    if (verb === undefined) throw new Error(`This worker cannot '${name}'`)
    send({ kind: 'answer', id, value: await verb(value as never) })
  } catch (error) {
    send({ kind: 'failed', id, message: textOf(error) })
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

const send = (message: WorkerMessage): void => {
  // The parent may be gone: then so is this process, soon.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
