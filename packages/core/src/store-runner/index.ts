// What drives a store: stores import it, so that a bus without one stays small.
export { runStore } from './run-store.ts'
export type { StoreHost, StoreRunner } from '../store-host.ts'
// What plugins write beside it.
export { fromJson, toJson } from './json-payload.ts'
export { storedError } from './stored-error.ts'
export { loadMessage, storeMessage } from './stored-message.ts'
