import { invalid, shown } from '../errors.ts'
import type { EventDefinition } from '../message.ts'
import type { EventFilter } from '../publishing.ts'

/**
 * Passes the events of these definitions only.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 * @example
 * const Kept = defineEvent('kept')
 * typeFilter(Kept)(Kept()) // => true
 */
export const typeFilter = (...definitions: readonly Pick<EventDefinition, 'type' | 'kind'>[]): EventFilter => {
  const wanted = new Set(
    definitions.map((definition) => {
      if (definition?.kind === 'event' && typeof definition.type === 'string') return definition.type
      throw invalid(`typeFilter takes what defineEvent() returns, not ${shown(definition)}`)
    }),
  )
  return ({ type }) => wanted.has(type)
}
