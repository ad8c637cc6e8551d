import type { EventStore } from '../persistence.ts'
import type { StoreHost, StoreRunner } from '../store-host.ts'

/** Drives `store` for one bus. */
export const runStore = (_store: EventStore, _host: StoreHost): StoreRunner => {
  throw new Error('not yet')
}
