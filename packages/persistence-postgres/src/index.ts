export {
  postgresPersistence,
  type PostgresKysely,
  type PostgresOptions,
  type PostgresPersistence,
  type PostgresSource,
} from './postgres-persistence.ts'
export type { PooledClient, PostgresPool } from './pool.ts'
export type { EventLogOptions, StoreOptions } from './options.ts'
export type { ClientInTransaction, KyselyTransaction } from './transaction.ts'
export { PostgresErrorCode } from './errors.ts'
export { migrate } from './migrate.ts'
export { migrations } from './migrations/index.ts'
