import type { Tended } from '@buslane/core'
import { sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { buryWorker, giveBackAll } from './give-back.ts'
import { nextDueInMs } from './ready.ts'

const PURGE_BATCH = 1000
const MAX_PURGES = 10
/** One sweep gives back at most so many batches, so that it ends: the next goes on. */
const MAX_BATCHES = 100
const THOROUGH_EVERY = 30

export const sweep = async (context: StoreContext): Promise<Tended> => {
  const { db } = context
  // For update excludes claims and appends of the worker that are under way, and a worker that is claiming lives: it is skipped. A
  // heartbeat that came first has moved the lease of the locked row.
  const dead = await db.run(sql`
    update ${db.workers} set dead_at = ${NOW}
    where worker = any(array(
      select worker from ${db.workers}
      where dead_at is null and lease_until < ${NOW} order by worker for update skip locked))
    returning worker`)
  const { count: rescued, givenUp } = await giveBackAll(context, undefined, {
    maxBatches: MAX_BATCHES,
    thorough: context.sweeps++ % THOROUGH_EVERY === 0,
  })
  await buryWorker(context, undefined)
  await purge(context)
  if (rescued > 0) context.hint()
  return { readied: 0, rescued, deadWorkers: dead.length, nextDueInMs: await nextDueInMs(context), givenUp }
}

/** Forgets keys of events that settled long ago. Index idempotency_expiry. */
const purge = async ({ db }: StoreContext): Promise<void> => {
  for (let batch = 0; batch < MAX_PURGES; batch++) {
    const rows = await db.run(sql`
      delete from ${db.idempotency}
      where key = any(array(
        select key from ${db.idempotency} where expires_at < ${NOW} limit ${PURGE_BATCH}::int for update skip locked))
      returning key`)
    if (rows.length < PURGE_BATCH) return
  }
}
