import type { EventFilter } from '../publishing.ts'

/** Passes what every filter passes. */
export const allOf =
  (...filters: readonly EventFilter[]): EventFilter =>
  (event) =>
    filters.every((filter) => filter(event))

/** Passes what at least one filter passes. */
export const anyOf =
  (...filters: readonly EventFilter[]): EventFilter =>
  (event) =>
    filters.some((filter) => filter(event))

/** Passes what the filter does not. */
export const not =
  (filter: EventFilter): EventFilter =>
  (event) =>
    !filter(event)
