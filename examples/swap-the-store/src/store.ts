import type { Persistence } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { pglitePersistence } from '@buslane/persistence-postgres/pglite'

/** The stores that the app has been tested on. In an app of your own, keep the one you use. */
export const stores = {
  /** For tests, and for what may be lost with the process. */
  memory: (): Persistence => memoryPersistence(),
  /** Postgres inside of the process, kept in a folder. For one process. */
  pglite: (dataDir = 'data'): Persistence => pglitePersistence({ dataDir }),
  /** A server. For any number of processes. */
  postgres: (connectionString = process.env['DATABASE_URL'] ?? 'postgres://localhost/postgres'): Persistence =>
    postgresPersistence({ connectionString }),
} as const
