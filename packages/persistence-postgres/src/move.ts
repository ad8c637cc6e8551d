import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { type Database, NOW } from './database.ts'
import { isKey } from './ids.ts'
import { applyDelta } from './lanes.ts'

// What people, and the cancel of a schedule, do to an event that nobody has claimed.

/**
 * A claim that is under way has the row, and then it is `running`; or this has it, and then the claim passes over it. Index: the
 * primary key. Only people take away what was given up (`dead`). The key for idempotency is free again: the event never was.
 */
export const cancel = async (
  { db }: StoreContext,
  key: string,
  { dead }: { readonly dead: boolean },
): Promise<'cancelled' | 'too-late'> => {
  if (!isKey(key)) return 'too-late'
  const rows = await db.run(sql`
    with settled as (
      delete from ${db.events} where key = ${key}::bigint and state <> 'running' ${dead ? sql`` : sql`and state <> 'dead'`}
      returning key, lane, state, idempotency_key),
    ${leaveLane(db)},
    freed_keys as (
      delete from ${db.idempotency}
      where key = any(array(select idempotency_key from settled where idempotency_key is not null)))
    select key from settled`)
  return rows.length > 0 ? 'cancelled' : 'too-late'
}

/** Gives the event another due time. One that its lane waits for stays that. */
export const reschedule = async (
  { db }: StoreContext,
  key: string,
  due: { readonly at: number } | { readonly delayMs: number },
): Promise<'rescheduled' | 'too-late'> => {
  if (!isKey(key)) return 'too-late'
  const at =
    'at' in due ? sql<number>`${Math.ceil(due.at)}::bigint` : sql<number>`${NOW} + ${Math.ceil(due.delayMs)}::bigint`
  return (await schedule(db, key, { at, movesOrder: true })) ? 'rescheduled' : 'too-late'
}

/** Makes the event ready, whatever it waits for: due now, so that the next claim puts it in its lane. */
export const retryNow = async ({ db }: StoreContext, key: string): Promise<'readied' | 'too-late'> => {
  if (!isKey(key)) return 'too-late'
  return (await schedule(db, key, { at: NOW, movesOrder: false })) ? 'readied' : 'too-late'
}

/** A `dead` event begins anew but for the handlers that are done: attempts that are used up would make it dead again at once. */
const schedule = async (
  db: Database,
  key: string,
  { at, movesOrder }: { readonly at: RawBuilder<number>; readonly movesOrder: boolean },
): Promise<boolean> => {
  const rows = await db.run(sql`
    with target as materialized (
      select key, lane, state from ${db.events} where key = ${key}::bigint and state <> 'running' for update),
    settled as (select * from target where state = 'ready'),
    ${leaveLane(db)},
    moved as (
      update ${db.events} e set
        state = case when t.state = 'retrying' then t.state else 'scheduled' end,
        due_at = ${at},
        base_at = ${movesOrder ? sql`greatest(e.accepted_at, ${at})` : sql`e.base_at`},
        order_key = ${
          movesOrder
            ? sql`case when e.order_offset is null then e.order_key
                else greatest(e.accepted_at, ${at})::float8 + e.order_offset end`
            : sql`e.order_key`
        },
        unreported = 0, reason = null, deferred_since = null,
        progress = case when t.state = 'dead' then (
          select json_object_agg(p.key, case when p.value->>'status' = 'done' then p.value
            else json_build_object('status', 'trying', 'attempts', 0, 'errors', coalesce(p.value->'errors', '[]'::json)) end)::text
          from json_each(e.progress::json) p) else e.progress end
      from target t where e.key = t.key)
    select key from target`)
  return rows.length > 0
}

/** What the lane of the event in `settled (lane, state)` has less of. */
const leaveLane = (db: Database): RawBuilder<unknown> => sql`
  delta as materialized (
    select lane, -count(*) filter (where state = 'ready') as waiting, 0 as held,
      -count(*) filter (where state = 'retrying') as retrying, null::float8 as head
    from settled where lane is not null and state in ('ready', 'retrying') group by lane),
  ${applyDelta(db)}`
