import type pg from 'pg'
import { Ticked, workOf } from './message.ts'

type Query = (text: string, values?: unknown[]) => Promise<unknown>

/** What storing the same facts costs at least: an identity, the texts, and one index to find what is next. */
export interface RawTable {
  insertOne(n: number): Promise<unknown>
  insertMany(from: number, count: number): Promise<unknown>
  insertIn(client: pg.PoolClient, n: number): Promise<unknown>
  /** Inserts so many rows with one statement, and deletes them by key with as many others as there are steps, one after another. */
  insertAndDelete(from: number, count: number, steps: number): Promise<void>
  /** As `pgbench -S` and the like: a statement that finds nothing and changes nothing. */
  roundTrip(): Promise<unknown>
  clear(): Promise<unknown>
}

const COLUMNS = 'order_key, id, type, session_id, payload, headers'

const rowOf = (n: number): unknown[] => {
  const { id, type, sessionId, payload, timestamp } = Ticked(workOf(n))
  return [timestamp, id, type, sessionId, JSON.stringify(payload), '{}']
}

/** On any connection, a server's or PGlite's. */
export const rawTable = async (query: Query, schema: string): Promise<RawTable> => {
  await query(`drop schema if exists ${schema} cascade`)
  await query(`create schema ${schema}`)
  await query(`
    create table ${schema}.events (
      key bigint generated always as identity primary key,
      state text not null default 'ready', order_key double precision not null,
      id text not null, type text not null, session_id text not null, payload text not null, headers text not null)`)
  await query(`create index on ${schema}.events (order_key, key) where state = 'ready'`)
  const insert = `insert into ${schema}.events (${COLUMNS}) values ($1, $2, $3, $4, $5, $6) returning key`
  const insertMany = async (from: number, count: number): Promise<readonly string[]> => {
    const rows = Array.from({ length: count }, (_, n) => rowOf(from + n))
    const lists = [0, 1, 2, 3, 4, 5].map((column) => rows.map((values) => values[column]))
    const result = await query(
      `insert into ${schema}.events (${COLUMNS})
       select * from unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) returning key`,
      lists,
    )
    return (result as pg.QueryResult<{ readonly key: string }>).rows.map(({ key }) => key)
  }
  return {
    insertMany,
    async insertAndDelete(from, count, steps) {
      const keys = await insertMany(from, count)
      const each = Math.ceil(count / steps)
      for (let at = 0; at < count; at += each) {
        const some = keys.slice(at, at + each)
        await query(`delete from ${schema}.events where key = any(array(select unnest($1::bigint[])))`, [some])
      }
    },
    insertOne: (n) => query(insert, rowOf(n)),
    insertIn: (client, n) => client.query(insert, rowOf(n)),
    roundTrip: () => query('select 1'),
    clear: () => query(`truncate ${schema}.events`),
  }
}
