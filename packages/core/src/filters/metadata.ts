import { check, TEXT } from '../check.ts'
import type { EventFilter } from '../publishing.ts'

/**
 * Passes the events whose metadata has this value under `key`, or any value if none is given.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 * @example
 * const Noted = defineEvent('noted')
 * metadataFilter('tenant', 'a')(Noted(undefined, { metadata: { tenant: 'b' } })) // => false
 */
export const metadataFilter = (key: string, ...values: readonly unknown[]): EventFilter => {
  check('The key of metadataFilter', key, TEXT)
  return ({ metadata }) => Object.hasOwn(metadata, key) && (values.length === 0 || values.includes(metadata[key]))
}
