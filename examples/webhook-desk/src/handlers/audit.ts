import type { EventHandler } from '@buslane/core'
import type { AuditLog } from '../audit-log.ts'
import type { Delivered } from '../events.ts'
import type { Services } from '../services.ts'

/** Writes down every delivery before anything else may act on it. */
export const audit =
  (log: AuditLog, services: Services): EventHandler<Delivered> =>
  async ({ payload: { lane, number } }, { signal }) => {
    const head = log.head(lane)
    await services.writeAudit(number, signal)
    log.append(lane, number, head)
  }
