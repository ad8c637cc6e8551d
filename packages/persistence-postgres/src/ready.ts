import type { ClaimType, Tended } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { enterLanes } from './lanes.ts'
import { lateFor } from './low-water.ts'

const BATCH = 1000
/** So many batches in one call: whatever is left is due, so the caller comes again at once. */
const MAX_ROUNDS = 20

export const ready = async (context: StoreContext, types: readonly ClaimType[]): Promise<Tended> => {
  let readied = await readyDue(context, MAX_ROUNDS)
  if (types.length > 0) readied += await readyUnhandled(context, types)
  return { readied, rescued: 0, deadWorkers: 0, nextDueInMs: await nextDueInMs(context) }
}

/** Makes ready what is due: also what was stored in a transaction, once that is committed. How many events that were. */
export const readyDue = (context: StoreContext, maxRounds: number): Promise<number> =>
  inBatches(maxRounds, () => countOf(context, dueStatement(context)))

const readyUnhandled = (context: StoreContext, types: readonly ClaimType[]): Promise<number> =>
  inBatches(MAX_ROUNDS, () => countOf(context, unhandledStatement(context, types)))

const countOf = async ({ db }: StoreContext, statement: RawBuilder<{ count: number }>): Promise<number> =>
  (await db.run(statement))[0]?.count ?? 0

/**
 * Index events_due, from its beginning. Rows that another process makes ready now are skipped. Events are locked before lanes, as
 * everywhere but in a claim, which does not wait.
 */
export const dueStatement = ({ db }: StoreContext): RawBuilder<{ count: number }> =>
  readyStatement(
    db,
    sql`
      select key, lane, state, order_key from ${db.events}
      where state in ('scheduled', 'retrying') and due_at <= ${NOW}
      order by due_at, key limit ${BATCH}::int for update skip locked`,
  )

/** Index events_unhandled, one probe per type: each has its own limit, because what may become a join may be joined to all that is unhandled. */
export const unhandledStatement = ({ db }: StoreContext, types: readonly ClaimType[]): RawBuilder<{ count: number }> =>
  readyStatement(
    db,
    sql`
      select e.*
      from unnest(${types.map(({ type }) => type)}::text[], ${types.map(({ version }) => version)}::int[]) as t (type, version)
      cross join lateral (
        select key, lane, state, order_key from ${db.events} e
        where e.state = 'unhandled' and e.type = t.type and e.version = t.version
        order by e.key limit ${BATCH}::int for update skip locked) e
      limit ${BATCH}::int`,
  )

/** Events that are no longer `retrying` let their lane go on. */
const readyStatement = (db: StoreContext['db'], found: RawBuilder<unknown>): RawBuilder<{ count: number }> => sql`
  with found as materialized (${found}),
  delta as materialized (
    select lane, count(*) as waiting, -count(*) filter (where state = 'retrying') as retrying, min(order_key) as head
    from found where lane is not null group by lane),
  ${enterLanes(db)},
  readied as (
    update ${db.events} set state = 'ready', late = ${lateFor(db, sql`order_key`)} where key = any(array(select key from found)))
  select count(*)::int as count from found`

const inBatches = async (maxRounds: number, run: () => Promise<number>): Promise<number> => {
  let total = 0
  for (let round = 0; round < maxRounds; round++) {
    const count = await run()
    total += count
    if (count < BATCH) break
  }
  return total
}

/** Index events_due: its first entry, or the first that is not due. */
export const nextDueInMs = async ({ db }: StoreContext): Promise<number | undefined> => {
  const [row] = await db.run(sql<{ in_ms: number | null }>`
    select (
      select due_at from ${db.events} where state in ('scheduled', 'retrying') order by due_at limit 1
    )::float8 - extract(epoch from clock_timestamp())::float8 * 1000 as in_ms`)
  const inMs = row?.in_ms ?? undefined
  return inMs === undefined ? undefined : Math.max(0, Math.ceil(inMs))
}
