import type { Message } from '@buslane/core'

export const handlerNames = ['audit', 'triage', 'label', 'remind', 'notify', 'count', 'follow-up', 'page'] as const
export type HandlerName = (typeof handlerNames)[number]

/** One run of a handler, as the handler itself saw it. Times are in milliseconds of one clock. */
export interface Run {
  readonly handler: HandlerName
  readonly messageId: string
  readonly lane: string
  /** The delivery's place in the feed; `undefined` for what is no delivery. */
  readonly delivery: number | undefined
  readonly startedAt: number
  /** `undefined` while it runs. */
  endedAt: number | undefined
  failed: boolean
}

/** What can be written down: a payload that names its lane and, if it is a delivery, its number and event. */
interface Noted {
  readonly lane: string
  readonly event?: string
  readonly number?: number
}

/** Writes down when each handler started and ended. It asks nobody but the clock, least of all the bus. */
export class Journal {
  readonly runs: Run[] = []

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
        lane,
        delivery: event === undefined ? undefined : number,
        startedAt: performance.now(),
        endedAt: undefined,
        failed: true,
      }
      this.runs.push(run)
      try {
        const result = await handle(message, context)
        run.failed = false
        return result
      } finally {
        run.endedAt = performance.now()
      }
    }
  }
}
