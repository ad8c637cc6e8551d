import { createBus, defineEvent, type LaneFunction } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'

/** Every contestant has a pool of that size. */
const CONNECTIONS = 20

export const Ticked = defineEvent<{ n: number; note: string }>('bench.ticked', { durable: true })
export const payload = (n: number): { n: number; note: string } => ({ n, note: 'an order of a few items, or so' })

/** Everything that a contest makes is in schemas of its own, dropped before it begins. */
export const freshPool = async (url: string, ...schemas: readonly string[]): Promise<pg.Pool> => {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  // graphile-worker asks for listeners on both.
  const ignore = (): void => {}
  pool.on('error', ignore).on('connect', (client) => client.on('error', ignore))
  for (const schema of schemas) await pool.query(`drop schema if exists ${schema} cascade`)
  return pool
}

export const STEPS = 3
let worked = 0
export const work = async (n: number): Promise<void> => {
  worked += n
}

export interface BusSetting {
  readonly schema: string
  readonly lane?: LaneFunction | undefined
  readonly leaseMs?: number | undefined
}

export const storedBus = (pool: pg.Pool, { lane, ...setting }: BusSetting): ReturnType<typeof createBus> =>
  createBus({ persistence: postgresPersistence({ pool, ...setting }), lane: lane ?? (() => undefined) })

export const graphile = async (pool: pg.Pool, schema: string) => {
  const preset = {
    worker: {
      schema,
      logger: new Logger(() => () => undefined),
      concurrentJobs: 24,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  }
  const utils = await makeWorkerUtils({ pgPool: pool, preset })
  await utils.migrate()
  return {
    addJob: async (n: number): Promise<void> => void (await utils.addJob('tick', payload(n))),
    /** Everything at once; not part of what is measured. */
    load: async (count: number): Promise<void> => {
      for (let from = 0; from < count; from += 5000) {
        const jobs = Array.from({ length: Math.min(5000, count - from) }, (_, n) => ({
          identifier: 'tick',
          payload: payload(from + n),
        }))
        await utils.addJobs(jobs)
      }
    },
    /** Handles what is there. */
    async drain(count: number): Promise<void> {
      const done = Promise.withResolvers<void>()
      let left = count
      const tick = async (job: unknown): Promise<void> => {
        const { n } = job as { n: number }
        for (let step = 0; step < STEPS; step++) await work(n)
        if (--left === 0) done.resolve()
      }
      const runner = await run({ pgPool: pool, preset, taskList: { tick }, noHandleSignals: true })
      await done.promise
      await runner.stop()
      const { rows } = await pool.query<{ left: string }>(`select count(*) as left from ${schema}._private_jobs`)
      if (rows[0]?.left !== '0') throw new Error(`${rows[0]?.left} jobs are left`)
    },
    clear: async (): Promise<void> => void (await pool.query(`truncate ${schema}._private_jobs`)),
    stop: async (): Promise<void> => utils.release(),
  }
}

/** What a bare insert of the same facts costs: an identity, the texts, and one index to find what is next. */
export const rawTable = async (pool: pg.Pool, schema: string) => {
  await pool.query(`
    create schema ${schema};
    create table ${schema}.events (
      key bigint generated always as identity primary key,
      state text not null default 'ready', order_key double precision not null,
      id text not null, type text not null, session_id text not null, payload text not null, headers text not null);
    create index on ${schema}.events (order_key, key) where state = 'ready'`)
  const row = (n: number): readonly unknown[] => {
    const { id, type, sessionId, payload: data, timestamp } = Ticked(payload(n))
    return [timestamp, id, type, sessionId, JSON.stringify(data), '{}']
  }
  const columns = 'order_key, id, type, session_id, payload, headers'
  return {
    insertOne: async (n: number): Promise<void> =>
      void (await pool.query(
        `insert into ${schema}.events (${columns}) values ($1, $2, $3, $4, $5, $6) returning key`,
        [...row(n)],
      )),
    insertMany: async (from: number, count: number): Promise<void> => {
      const rows = Array.from({ length: count }, (_, n) => row(from + n))
      const lists = [0, 1, 2, 3, 4, 5].map((column) => rows.map((values) => values[column]))
      await pool.query(
        `insert into ${schema}.events (${columns})
         select * from unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) returning key`,
        lists,
      )
    },
    clear: async (): Promise<void> => void (await pool.query(`truncate ${schema}.events`)),
  }
}
