import { check, FUNCTION } from '../check.ts'
import type { EventFilter } from '../publishing.ts'

const checked = (filters: readonly EventFilter[]): readonly EventFilter[] => {
  for (const filter of filters) check('A filter', filter, FUNCTION)
  return filters
}

/** Passes what every filter passes. @throws {BusError} `INVALID_ARGUMENT` */
export const allOf = (...filters: readonly EventFilter[]): EventFilter => {
  const all = checked(filters)
  return (event) => all.every((filter) => filter(event))
}

/** Passes what at least one filter passes. @throws {BusError} `INVALID_ARGUMENT` */
export const anyOf = (...filters: readonly EventFilter[]): EventFilter => {
  const any = checked(filters)
  return (event) => any.some((filter) => filter(event))
}

/** Passes what the filter does not. @throws {BusError} `INVALID_ARGUMENT` */
export const not = (filter: EventFilter): EventFilter => {
  check('A filter', filter, FUNCTION)
  return (event) => !filter(event)
}
