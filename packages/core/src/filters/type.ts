import type { EventDefinition } from '../message.ts'
import type { EventFilter } from '../publishing.ts'

/**
 * Passes the events of these definitions only.
 *
 * @example
 * const Kept = defineEvent('kept')
 * typeFilter(Kept)(Kept()) // => true
 */
export const typeFilter = (...definitions: readonly Pick<EventDefinition, 'type' | 'kind'>[]): EventFilter => {
  const wanted = new Set(definitions.map(({ type }) => type))
  return ({ type }) => wanted.has(type)
}
