import { check, TEXT } from '../check.ts'
import type { EventFilter } from '../publishing.ts'

/**
 * Passes the events of these sessions only.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 * @example
 * const Spoke = defineEvent('spoke')
 * sessionFilter('chat-1')(Spoke(undefined, { sessionId: 'chat-2' })) // => false
 */
export const sessionFilter = (...sessionIds: readonly string[]): EventFilter => {
  for (const id of sessionIds) check('A session of sessionFilter', id, TEXT)
  const wanted = new Set(sessionIds)
  return ({ sessionId }) => wanted.has(sessionId)
}
