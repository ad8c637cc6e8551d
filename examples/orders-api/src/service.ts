import { type Bus, createBus } from '@buslane/core'
import { type PostgresPersistence, postgresPersistence } from '@buslane/persistence-postgres'
import { resilience } from '@buslane/resilience'
import pg from 'pg'
import { type Database, openDatabase } from './database.ts'
import type { AboutOrder } from './messages.ts'

/** What every process of the service has: tables and a bus, on one pool of connections. */
export interface Service {
  readonly database: Database
  readonly bus: Bus
  readonly persistence: PostgresPersistence
  /** Finishes what the bus is doing, hands the rest to other processes, and closes the connections. */
  close(): Promise<void>
}

export function openService(name: string, connectionString: string): Service {
  const pool = new pg.Pool({ connectionString })
  // A connection that breaks while nobody uses it: the pool makes another one.
  pool.on('error', (error) => console.error(`${name}: ${error.message}`))
  const database = openDatabase(pool)
  const persistence = postgresPersistence({ pool })
  const bus = createBus({
    name,
    persistence,
    plugins: [resilience({ retry: { maxRetries: 5 } })],
    // What happens to one order happens in order, whichever process does it; orders do not wait for each other.
    lane: ({ payload }) => (payload as AboutOrder).order,
  })
  return {
    database,
    bus,
    persistence,
    async close() {
      await bus.stop()
      await pool.end()
    },
  }
}
