import pg from 'pg'
import { CONNECTIONS } from './queue.ts'

const ignore = (): void => undefined

/** Everything that a side makes is in schemas of its own, dropped before it begins. */
export const freshPool = async (url: string, ...schemas: readonly string[]): Promise<pg.Pool> => {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  // Connections that die with the server are told of by what was under way.
  pool.on('error', ignore).on('connect', (client) => client.on('error', ignore))
  for (const schema of schemas) await pool.query(`drop schema if exists ${schema} cascade`)
  return pool
}

export const countRows = async (pool: pg.Pool, table: string): Promise<number> => {
  const { rows } = await pool.query<{ count: string }>(`select count(*) from ${table}`)
  return Number(rows[0]?.count)
}
