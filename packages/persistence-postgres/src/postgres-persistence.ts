import { BusError, type Persistence } from '@buslane/core'
import { type Kysely, PostgresDialect, Kysely as KyselyInstance } from 'kysely'
import type { StoreContext } from './context.ts'
import { describeError, isReadOnly, storeError } from './errors.ts'
import { storeConfig, type StoreConfig, type StoreOptions } from './options.ts'
import { createPostgresStore } from './postgres-store.ts'

/** A client as a pool of `pg` lends it. */
interface PoolClient {
  query(...query: unknown[]): unknown
  release(destroy?: Error | boolean): void
}

/** A pool of `pg`, as far as it is used here. */
export interface PostgresPool {
  connect(): Promise<PoolClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  off?(event: 'error', listener: (error: Error) => void): unknown
}

/** Where the database is: one of three. What is given is not closed with the store; a connection string opens a pool that is. */
export type PostgresSource =
  | {
      /** As `pg` takes it. Needs the package `pg`. */
      readonly connectionString: string
      /** At most so many connections. Default 10. */
      readonly maxConnections?: number | undefined
      readonly pool?: undefined
      readonly kysely?: undefined
    }
  | { readonly pool: PostgresPool; readonly connectionString?: undefined; readonly kysely?: undefined }
  | { readonly kysely: Kysely<never>; readonly connectionString?: undefined; readonly pool?: undefined }

/** Options of {@link postgresPersistence}. */
export type PostgresOptions = PostgresSource & StoreOptions

void [
  BusError,
  PostgresDialect,
  KyselyInstance,
  describeError,
  isReadOnly,
  storeError,
  storeConfig,
  createPostgresStore,
]
export type { Persistence, StoreConfig, StoreContext }
