import type { Pauses } from '@buslane/testkit/crash'
import pg from 'pg'
import type { PostgresPool } from '../../src/pool.ts'

/** A pool whose clients stand still at the last table of the first migration: the transaction is open, and most of it is done. */
export function pausingPool(connectionString: string, pauses: Pauses): PostgresPool {
  const pool = new pg.Pool({ connectionString, max: 4 })
  return {
    async connect() {
      const client = await pool.connect()
      return {
        async query(...query: unknown[]) {
          if (/create table .*event_log/.test(textOf(query[0]))) await pauses.at('during-migration')
          return (client.query as (...given: unknown[]) => unknown).apply(client, query)
        },
        release: (destroy) => client.release(destroy),
      }
    },
    end: () => pool.end(),
    on: (event, listener) => pool.on(event, listener),
  }
}

const textOf = (query: unknown): string =>
  typeof query === 'string' ? query : ((query as { readonly text?: string } | undefined)?.text ?? '')
