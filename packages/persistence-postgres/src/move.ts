import { type RawBuilder, sql } from 'kysely'
import { begunAnew, hasDone } from './begin-anew.ts'
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
  return (await move(db, key, { dueAt: at, ofState: sql`true`, takesPlace: sql`true` })) ? 'rescheduled' : 'too-late'
}

/**
 * Makes the event ready, whatever it waits for: due now, so that the next claim puts it in its lane. What was due already keeps its
 * place, and what is ready is left alone.
 */
export const retryNow = async ({ db }: StoreContext, key: string): Promise<'readied' | 'too-late'> => {
  if (!isKey(key)) return 'too-late'
  const moved = await move(db, key, {
    dueAt: sql`least(e.due_at, ${NOW})`,
    ofState: sql`e.state <> 'ready'`,
    takesPlace: sql`e.due_at > ${NOW}`,
  })
  return moved ? 'readied' : 'too-late'
}

interface Move {
  readonly dueAt: RawBuilder<number>
  /** Whether the event is moved at all. */
  readonly ofState: RawBuilder<boolean>
  /** Whether one that has not begun takes the place that its due time gives it (R-PRI-5). */
  readonly takesPlace: RawBuilder<boolean>
}

/** Whether nobody has claimed the event. One that is `dead` begins anew but for the handlers that are done. */
const move = async (db: Database, key: string, { dueAt, ofState, takesPlace }: Move): Promise<boolean> => {
  const ifDead = (then: RawBuilder<unknown>, otherwise: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`case when e.state = 'dead' then ${then} else ${otherwise} end`
  const base = sql`greatest(e.accepted_at, t.due)`
  const rows = await db.run(sql`
    with target as materialized (
      select e.key, e.lane, e.state, ${dueAt} as due, ${ofState} as moves, ${takesPlace} as takes_place,
        ${ifDead(hasDone(sql`e.progress`), sql`e.begun`)} as begun
      from ${db.events} e where e.key = ${key}::bigint and e.state <> 'running' for update),
    settled as (select * from target where moves and state = 'ready'),
    ${leaveLane(db)},
    moved as (
      update ${db.events} e set
        state = case when e.state = 'retrying' then e.state else 'scheduled' end,
        due_at = t.due,
        base_at = case when t.takes_place and not t.begun then ${base} else e.base_at end,
        order_key = case when t.takes_place and not t.begun and e.order_offset is not null then ${base}::float8 + e.order_offset
          else e.order_key end,
        begun = t.begun,
        progress = ${ifDead(begunAnew(sql`e.progress`), sql`e.progress`)},
        unreported = ${ifDead(sql`0`, sql`e.unreported`)},
        interruptions = ${ifDead(sql`0`, sql`e.interruptions`)},
        expires_at = ${ifDead(sql`null`, sql`e.expires_at`)},
        deferred_since = ${ifDead(sql`null`, sql`e.deferred_since`)},
        replays = ${ifDead(sql`e.replays + 1`, sql`e.replays`)},
        error = null, reason = null
      from target t where e.key = t.key and t.moves)
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
