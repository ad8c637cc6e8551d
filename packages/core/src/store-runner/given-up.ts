import type { GivenUp } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import { correlationIn } from './stored-message.ts'

/** Tells that the store gave up a message by itself: no handler failed here, so nothing else would. */
export const tellGivenUp = (
  { message: { kind, id, type, sessionId, headers }, reason, progress }: GivenUp,
  bus: Pick<StoreHost, 'buried' | 'logger'>,
): void => {
  bus.logger.error({ messageId: id, reason }, `A stored '${type}' was given up, because its process ended: ${reason}`)
  bus.buried({ message: { kind, id, type, sessionId, correlationId: correlationIn(headers) ?? id }, reason, progress })
}
