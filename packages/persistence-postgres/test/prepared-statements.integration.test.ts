import type { EventStore } from '@buslane/core'
import pg from 'pg'
import { describe, expect, inject, it } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { manyEvents, openStore, request } from './support/store.ts'

const LANES = 20
const BURST = 20_000

/** Stores an event in each of some lanes, claims all, and reports them as handled, as one process does all the time. */
const work = async (store: EventStore, worker: string): Promise<number> => {
  const events = manyEvents(LANES, (index) => ({ lane: `lane ${index}` }))
  await store.append(events, undefined)
  const claimed = await store.claim(request(worker))
  const reported = await store.report(claimed.events.map(({ lease }) => ({ kind: 'complete', lease })))
  return reported.filter(({ status }) => status === 'ok').length
}

describe('what was planned while the tables were empty', () => {
  it('R-SCH-1 is planned anew when they have grown, and does not read them from end to end', async () => {
    await using opened = await openStore(inject('connectionString'))
    const { client, schema } = opened
    const pool = new pg.Pool({ connectionString: inject('connectionString'), max: 1 })
    const { events: store } = postgresPersistence({ pool, schema, notify: false })
    await store.open()
    const { worker } = await store.join({ name: 'a' })
    // Empty to the last page, and known to be: what a vacuum leaves behind that came when all had been handled.
    await client.query(`truncate "${schema}".events, "${schema}".lanes`)
    await client.query(`analyze "${schema}".events, "${schema}".lanes`)
    for (let round = 0; round < 10; round++) expect(await work(store, worker)).toBe(LANES)
    await client.query(`
      insert into "${schema}".events (kind, id, type, version, session_id, payload, headers, serial, priority, on_crash,
        accepted_at, order_key, base_at, state, due_at)
      select 'event', 'id' || n, 'store.tested', 1, 'BUS', '{}', repeat('x', 100), false, 50, 'retry',
        n, n, n, 'scheduled', 8640000000000000
      from generate_series(1, ${BURST}) n`)
    for (let round = 0; round < 30; round++) expect(await work(store, worker)).toBe(LANES)
    await store.close()
    await pool.end() // a connection that ends tells what it has read
    const read = async (): Promise<number> => {
      const { rows } = await client.query<{ read: string }>(
        `select seq_tup_read as read from pg_stat_all_tables where schemaname = $1 and relname = 'events'`,
        [schema],
      )
      return Number(rows[0]!.read)
    }
    // The first round after the burst may read the table some times. If each did, that would be thirty times as much.
    await expect.poll(read, { timeout: 10_000 }).toBeGreaterThan(0)
    expect(await read()).toBeLessThan(10 * BURST)
  })
})
