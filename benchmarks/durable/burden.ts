import type pg from 'pg'
import { ratesInTurn } from '../harness/rates.ts'
import type { Result, Scale, Setting } from '../harness/section.ts'
import { freshPool } from './pool.ts'
import { publishAndHandle } from './processing.ts'
import { buslane, queue } from './queues/buslane.ts'
import { serversOf } from './sides.ts'

const ROWS: Readonly<Record<Scale, number>> = { quick: 1000, normal: 200_000, full: 1_000_000 }
const BESIDE_SNAPSHOT: Readonly<Record<Scale, number>> = { quick: 200, normal: 30_000, full: 200_000 }
const EVENTS: Readonly<Record<Scale, number>> = { quick: 200, normal: 10_000, full: 30_000 }
const SCHEMA = 'bench_buslane'
const unburdened = queue({ name: 'the same without', schema: 'bench_unburdened' })

const CARRIED = 'kind, id, type, version, session_id, payload, headers, serial, priority, on_crash, accepted_at'
const CARRIED_VALUES = `'event', gen_random_uuid()::text, 'bench.ticked', 1, 'BUS', '{"n":1}', '{}', false, 50, 'retry', 0`

/** Events that are due in a year and after, and letters that nobody has read. */
const loadRows = async (pool: pg.Pool, count: number): Promise<void> => {
  const due = Date.now() + 365 * 24 * 3_600_000
  await pool.query(
    `insert into ${SCHEMA}.events (state, order_key, base_at, due_at, ${CARRIED})
     select 'scheduled', n, ${due} + n, ${due} + n, ${CARRIED_VALUES} from generate_series(1, ${count}) n`,
  )
  await pool.query(
    `insert into ${SCHEMA}.dead_letters (reason, dead_at, worker, ${CARRIED})
     select 'failed', n, 'bench', ${CARRIED_VALUES} from generate_series(1, ${count}) n`,
  )
  await pool.query(`vacuum analyze ${SCHEMA}.events`)
  await pool.query(`vacuum analyze ${SCHEMA}.dead_letters`)
}

/** Publishing, handling and completing beside rows that wait and rows that are dead, in turn with a schema that has none. */
export const burden = async (setting: Setting): Promise<readonly Result[]> => {
  const { scale, rounds } = setting
  const servers = serversOf(setting)
  const [count, rows] = [EVENTS[scale], ROWS[scale]]
  const pool = await freshPool(servers.databaseUrl)
  const [burdened, free] = [await buslane.open(servers), await unburdened.open(servers)]
  await loadRows(pool, rows)
  // What is left are the rows that were there.
  const beside = { ...burdened, left: async () => (await burdened.left()) - rows }
  const found = await ratesInTurn(rounds, {
    ours: () => publishAndHandle(beside, count),
    theirs: () => publishAndHandle(free, count),
  })
  await burdened.close()
  await free.close()
  await pool.end()
  const thousands = rows.toLocaleString('en')
  return [
    {
      kind: 'duel',
      contest: `publish, handle and complete beside ${thousands} future events and ${thousands} dead letters`,
      rival: unburdened.name,
      caveat: 'Buslane itself',
      unit: 'per second',
      goal: 0.8,
      ...found,
    },
  ]
}

/** The same beside a transaction that was opened before and stays open, as that of a backup: dead rows cannot be taken away. */
export const snapshot = async (setting: Setting): Promise<readonly Result[]> => {
  const servers = serversOf(setting)
  const count = BESIDE_SNAPSHOT[setting.scale]
  const open = await buslane.open(servers)
  const pool = await freshPool(servers.databaseUrl)
  const client = await pool.connect()
  await publishAndHandle(open, Math.min(count, 5000)) // warms up
  const without = await publishAndHandle(open, count)
  await client.query('begin isolation level repeatable read')
  await client.query(`select count(*) from ${SCHEMA}.events`)
  const beside = await publishAndHandle(open, count)
  await client.query('commit')
  client.release()
  await open.close()
  await pool.end()
  return [
    {
      kind: 'duel',
      contest: `publish, handle and complete ${count.toLocaleString('en')} events beside an open transaction`,
      rival: unburdened.name,
      caveat: 'Buslane itself; once each, one after the other',
      unit: 'per second',
      ours: [beside],
      theirs: [without],
    },
  ]
}
