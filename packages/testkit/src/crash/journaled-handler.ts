import type { EventContext, EventHandler } from '@buslane/core'
import type { Journal, RunFacts } from './journal.ts'

/** The payload of events whose handlers are journaled. */
export interface JournaledPayload {
  readonly lane: string
  readonly seq: number
}

/** A handler to be written about, and how it runs. */
export interface JournaledHandler<Payload> {
  readonly name: string
  readonly priority: number
  /** The last attempt: a failure of it is final. Default 1. */
  readonly maxAttempts?: number
  readonly run: (payload: Payload, context: EventContext) => unknown
}

/** The handler, writing down each of its starts before it works and each end after. */
export const journaled =
  <Payload extends JournaledPayload>(
    journal: Journal,
    { name, priority, maxAttempts = 1, run }: JournaledHandler<Payload>,
  ): EventHandler<Payload> =>
  async ({ id, payload }, context) => {
    const { attempt } = context
    const { lane, seq } = payload
    const facts: RunFacts = { event: id, lane, seq, handler: name, group: priority, attempt }
    journal.write({ at: 'start', ...facts })
    try {
      await run(payload, context)
    } catch (error) {
      journal.write({ at: 'fail', final: attempt >= maxAttempts, ...facts })
      throw error
    }
    journal.write({ at: 'end', ...facts })
  }
