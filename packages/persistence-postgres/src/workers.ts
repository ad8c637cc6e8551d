import { hostname } from 'node:os'
import type { Lease, WorkerFacts } from '@buslane/core'
import { sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { CLOCK } from './database.ts'
import { buryWorker, giveBackAll } from './give-back.ts'
import { isUuid } from './ids.ts'
import { report } from './report.ts'

export const join = async (
  { db, config }: StoreContext,
  { name }: WorkerFacts,
): Promise<{ readonly worker: string; readonly now: number }> => {
  const [row] = await db.run(sql<{ worker: string; now: number }>`
    insert into ${db.workers} (name, host, pid, started_at, lease_until)
    select ${name}, ${hostname()}, ${process.pid}::int, now, now + ${Math.ceil(config.settings.leaseMs)}::bigint
    from (select ${CLOCK} as now) clock
    returning worker::text as worker, started_at::float8 as now`)
  if (!row) throw new Error('a worker without a row')
  return row
}

/** One row for all that the worker holds. A lease that has run out is extended, too, as long as no sweep has ended it. */
export const heartbeat = async ({ db, config }: StoreContext, worker: string): Promise<'ok' | 'lost'> => {
  if (!isUuid(worker)) return 'lost'
  const rows = await db.run(sql`
    update ${db.workers} set lease_until = ${CLOCK} + ${Math.ceil(config.settings.leaseMs)}::bigint
    where worker = ${worker}::uuid and dead_at is null
    returning worker`)
  return rows.length > 0 ? 'ok' : 'lost'
}

/**
 * What was leased in answers that were lost. For update waits for claims and appends of the worker that the database still has under
 * way. Index events_worker.
 */
export const releaseUnknown = async (
  context: StoreContext,
  worker: string,
  known: readonly Lease[],
): Promise<number> => {
  if (!isUuid(worker)) return 0
  const { db } = context
  await db.run(sql`select worker from ${db.workers} where worker = ${worker}::uuid for update`)
  const held = await db.run(sql<Lease>`
    select key::text as key, token::text as token from ${db.events} where state = 'running' and worker = ${worker}::uuid`)
  const tokens = new Map(known.map(({ key, token }) => [key, token]))
  const unknown = held.filter(({ key, token }) => tokens.get(key) !== token)
  const { batchSize } = context.config.settings
  for (let from = 0; from < unknown.length; from += batchSize) {
    await report(
      context,
      unknown.slice(from, from + batchSize).map((lease) => ({ kind: 'release', lease })),
    )
  }
  return unknown.length
}

export const leave = async (context: StoreContext, worker: string): Promise<number> => {
  if (!isUuid(worker)) return 0
  const { db } = context
  // For update waits for the worker's own claims and appends: what they lease is given back below, and later ones get nothing.
  await db.run(sql`
    update ${db.workers} set dead_at = ${CLOCK}
    where worker = any(array(select worker from ${db.workers} where worker = ${worker}::uuid and dead_at is null for update))`)
  const { count: given } = await giveBackAll(context, worker)
  await buryWorker(context, worker)
  if (given > 0) context.hint()
  return given
}
