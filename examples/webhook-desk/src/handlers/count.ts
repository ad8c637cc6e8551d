import type { EventHandler } from '@buslane/core'
import type { Delivered } from '../events.ts'

/** Counts what is done with, by kind. */
export const count =
  (counters: Map<string, number>): EventHandler<Delivered> =>
  ({ payload: { event } }) =>
    void counters.set(event, (counters.get(event) ?? 0) + 1)
