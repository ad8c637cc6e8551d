import type { EventHandler } from '@buslane/core'
import type { Delivered } from '../events.ts'
import type { Services } from '../services.ts'

/** Tells subscribers by mail. It is slow and it fails at times; nothing that matters more waits for it. */
export const notify =
  (services: Services): EventHandler<Delivered> =>
  ({ payload: { number } }, { signal }) =>
    services.sendMail(number, signal)
