import { StoreRun } from './store-run.ts'
import type { EventStore } from '../persistence.ts'
import type { StoreHost, StoreRunner } from '../store-host.ts'

/**
 * Drives `store` for one bus: connects, joins as a worker, claims and settles, and comes back by itself after trouble.
 * The usual `run` of an {@link EventStore}: `run: (host) => runStore(store, host)`.
 */
export const runStore = (store: EventStore, host: StoreHost): StoreRunner => new StoreRun(store, host)
