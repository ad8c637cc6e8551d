import type { Message } from '@buslane/core'

export const handlerNames = [
  'audit',
  'triage',
  'label',
  'remind',
  'notify',
  'count',
  'incident',
  'inform',
  'follow-up',
  'page',
] as const
export type HandlerName = (typeof handlerNames)[number]

/** One run of a handler, as the handler itself saw it. Times are in milliseconds of one clock. */
export interface Run {
  readonly handler: HandlerName
  readonly messageId: string
  /** The message whose handler made this one. */
  readonly causeId?: string | undefined
  readonly lane: string
  /** The delivery's place in the feed; `undefined` for what is no delivery. */
  readonly delivery: number | undefined
  /** GitHub's name for what happened, if it is a delivery. */
  readonly kind?: string | undefined
  /** Which of the processes that wrote the journal, from 0. */
  readonly process: number
  readonly startedAt: number
  /** `undefined` while it runs, and for ever if its process was killed. */
  endedAt: number | undefined
  failed: boolean
  /** Part of a replay of dead letters, which is out of the order of its lane. */
  readonly isReplay?: boolean
}

/** What can be written down: a payload that names its lane and, if it is a delivery, its number and event. */
interface Noted {
  readonly lane: string
  readonly event?: string
  readonly number?: number
}

/** Where notes are kept that must outlive the process. */
export interface JournalSink {
  started(run: Run): void
  ended(run: Run): void
}

/** Writes down when each handler started and ended. It asks nobody but the clock, least of all the bus. */
export class Journal {
  readonly runs: Run[] = []
  /** Whether what starts now is a replay. */
  replaying = false
  readonly #sink: JournalSink | undefined

  constructor(sink?: JournalSink) {
    this.#sink = sink
  }

  /** The handler, with a note taken before and after. */
  timed<M extends Message<Noted>, Context, Result>(
    handler: HandlerName,
    handle: (message: M, context: Context) => Result | PromiseLike<Result>,
  ): (message: M, context: Context) => Promise<Result> {
    return async (message, context) => {
      const { lane, event, number } = message.payload
      const run: Run = {
        handler,
        messageId: message.id,
        causeId: message.causationId,
        lane,
        delivery: event === undefined ? undefined : number,
        kind: event,
        process: 0,
        startedAt: now(),
        endedAt: undefined,
        failed: true,
        isReplay: this.replaying,
      }
      this.runs.push(run)
      this.#sink?.started(run)
      try {
        const result = await handle(message, context)
        run.failed = false
        return result
      } finally {
        run.endedAt = now()
        this.#sink?.ended(run)
      }
    }
  }
}

/** Fine, never going back within a process, and comparable between processes of one machine. */
const now = (): number => performance.timeOrigin + performance.now()
