import { defineEvent } from '@buslane/core'

/** What everybody stores: about a hundred bytes. */
export interface Work {
  readonly n: number
  readonly note: string
}

export const Ticked = defineEvent<Work>('bench.ticked', { durable: true })

export const workOf = (n: number): Work => ({ n, note: 'an order of a few items, or so' })

/** An event has three handlers in three groups; a job does as much in three steps. */
export const STEPS = 3
