import { compilePattern } from '../pattern.ts'
import type { EventFilter } from '../publishing.ts'

/**
 * Passes the events whose type matches one of the patterns: `*` is one segment, `**` any number.
 *
 * @throws {BusError} `INVALID_ARGUMENT` for a text that is no pattern.
 * @example
 * patternFilter('order.*')(defineEvent('order.placed')()) // => true
 */
export const patternFilter = (...patterns: readonly string[]): EventFilter => {
  const matchers = patterns.map(compilePattern)
  return ({ type }) => matchers.some((matches) => matches(type))
}
