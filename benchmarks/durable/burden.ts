import type pg from 'pg'
import { ratesInTurn } from '../harness/rates.ts'
import type { Result, Scale, Setting } from '../harness/section.ts'
import { freshPool } from './pool.ts'
import { publishAndHandle } from './processing.ts'
import type { DurableQueue } from './queue.ts'
import { buslane } from './queues/buslane.ts'
import { serversOf } from './sides.ts'

const ROWS: Readonly<Record<Scale, number>> = { quick: 1000, normal: 200_000, full: 1_000_000 }
const EVENTS: Readonly<Record<Scale, number>> = { quick: 200, normal: 10_000, full: 30_000 }
const SCHEMA = 'bench_buslane'

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

/** Counts what is not of the burden. */
const unburdened: DurableQueue = { ...buslane, name: 'the same without' }

/** Publishing, handling and completing beside rows that wait and rows that are dead. */
export const burden = async (setting: Setting): Promise<readonly Result[]> => {
  const { scale, rounds } = setting
  const servers = serversOf(setting)
  const count = EVENTS[scale]
  const open = await buslane.open(servers)
  const pool = await freshPool(servers.databaseUrl)
  const rows = ROWS[scale]
  let loaded = 0
  const beside = { ...open, left: async () => (await open.left()) - loaded }
  const rate = (): Promise<number> => publishAndHandle(beside, count)
  // Not in turn: the rows come in between, and would have to be loaded anew for each round.
  const { rate: before } = await ratesInTurn(rounds, { rate })
  await loadRows(pool, rows)
  loaded = rows
  const { rate: after } = await ratesInTurn(rounds, { rate })
  await open.close()
  await pool.end()
  const thousands = rows.toLocaleString('en')
  return [
    {
      kind: 'duel',
      contest: `publish, handle and complete beside ${thousands} future events and ${thousands} dead letters`,
      rival: unburdened.name,
      caveat: 'Buslane itself; measured before the rows came, so not in turn',
      unit: 'per second',
      ours: after,
      theirs: before,
      goal: 0.8,
    },
  ]
}
