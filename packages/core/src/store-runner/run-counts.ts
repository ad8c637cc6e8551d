import type { StoreRunCounts } from '../store-host.ts'

/** As {@link StoreRunCounts}, while they are being counted. */
export type RunCounts = { -readonly [Name in keyof StoreRunCounts]: number }

export const noCounts = (): RunCounts => ({
  appended: 0,
  duplicates: 0,
  claimed: 0,
  completed: 0,
  retried: 0,
  released: 0,
  deferred: 0,
  undecodable: 0,
  dead: 0,
  lost: 0,
  rescued: 0,
  unlogged: 0,
})
