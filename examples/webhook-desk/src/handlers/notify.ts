import type { EventHandler } from '@buslane/core'
import type { Delivered } from '../events.ts'
import type { Services } from '../services.ts'

/** Tells subscribers by mail. It is slow and it fails at times, and is tried again; nothing that matters more waits for it. */
export const notify =
  (services: Services): EventHandler<Delivered> =>
  ({ payload: { number } }, { attempt, signal }) =>
    services.sendMail(number, attempt, signal)
