import type { EventFilter } from '../publishing.ts'

/**
 * Passes the events of these sessions only.
 *
 * @example
 * const Spoke = defineEvent('spoke')
 * sessionFilter('chat-1')(Spoke(undefined, { sessionId: 'chat-2' })) // => false
 */
export const sessionFilter = (...sessionIds: readonly string[]): EventFilter => {
  const wanted = new Set(sessionIds)
  return ({ sessionId }) => wanted.has(sessionId)
}
