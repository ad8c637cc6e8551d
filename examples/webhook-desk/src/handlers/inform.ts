import type { EventHandler } from '@buslane/core'
import type { Alerted } from '../events.ts'
import type { Services } from '../services.ts'

/** Tells the security team of an incident, once it is open. */
export const inform =
  (services: Services): EventHandler<Alerted> =>
  ({ payload: { summary } }, { signal }) =>
    services.informTeam(summary, signal)
