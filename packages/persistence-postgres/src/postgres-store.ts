import type { EventStore } from '@buslane/core'
import type { Kysely } from 'kysely'
import type { Notifications, StoreContext } from './context.ts'
import { createDatabase } from './database.ts'
import { migrate, requireCurrent } from './migrate.ts'
import type { StoreConfig } from './options.ts'

/** How a store reaches its database. */
export interface StoreConnection {
  readonly kysely: Kysely<unknown>
  readonly notifications?: Notifications | undefined
  /** Frees what was opened for this store. */
  close(): Promise<void>
}

/** An event store over any Kysely instance that speaks to Postgres. */
export const createPostgresStore = (
  config: StoreConfig,
  connection: StoreConnection,
): { readonly events: EventStore; readonly context: StoreContext } => {
  const context: StoreContext = {
    db: createDatabase(connection.kysely, config.schema),
    config,
    workers: new Map(),
    hint() {},
    settled: 0,
  }
  void migrate
  void requireCurrent
  throw new Error(`not yet: ${String(context)}`)
}
