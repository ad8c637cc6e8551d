import type { EventHandler } from '@buslane/core'
import type { Alerted } from '../events.ts'
import type { Services } from '../services.ts'

/** Opens an incident for a security alert. */
export const incident =
  (services: Services): EventHandler<Alerted> =>
  ({ payload: { summary } }, { signal }) =>
    services.openIncident(summary, signal)
