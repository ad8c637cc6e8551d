// What drives a store: stores import it, so that a bus without one stays small.
export { runStore } from './run-store.ts'
export type { StoreHost, StoreRunner } from '../store-host.ts'
