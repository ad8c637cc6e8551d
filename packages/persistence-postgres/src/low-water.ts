import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import type { Database } from './database.ts'
import { NOW } from './database.ts'
import { describeError, sqlState } from './errors.ts'

// While a transaction is open somewhere in the database, a backup for one, no row that dies can be removed, and whoever reads an index
// from its beginning passes all of them: a claim would take longer with every event that was handled. So what claims look
// for is found behind marks, which are moved past the dead rows from time to time:
//
// - `floor`: events without a lane that became ready with an order key of at least that are read from there on (`late = 0`).
// - `late_era`: those that became ready with a lower one carry the era in which they did, and are read from the first of that era.
// - `lane_era`: so do all rows of lanes.
//
// *Exact*: the marks are moved while no statement that makes an event ready, or changes a lane, is under way. Each of those locks the
// table of lanes at least as `row share` before its snapshot is taken, and moving them locks it as `exclusive`, which readers such as
// a backup do not notice. Transactions of callers, which may stay open, store what they publish as scheduled, and so never count.

/** So many events are claimed or settled before the marks are moved again. */
const TURNED_BETWEEN = 40_000
/** More rows than that are not carried over: everybody waits meanwhile. */
const MAX_CARRIED = 20_000
const LOCK_LIMIT = '200ms'
/** Somebody was in the way, or gave way: the marks are moved another time. */
const IN_THE_WAY = new Set(['55P03', '40P01', '40001'])

/** The era of all rows of lanes. Evaluated once in a statement. */
export const laneEra = ({ watermarks }: Database): RawBuilder<number> => sql`(select lane_era from ${watermarks})`

/** Which `late` an event without a lane has that becomes ready in this statement, by its order key. */
export const lateFor = ({ watermarks }: Database, orderKey: RawBuilder<unknown>): RawBuilder<number> => sql`
  (case when ${orderKey} >= (select floor from ${watermarks}) then 0 else (select late_era from ${watermarks}) end)`

/** The parts of the indexes of events without a lane that a claim has to read: `late`, and `low`, where to begin. */
export const ranges = ({ watermarks }: Database): RawBuilder<unknown> => sql`(
  select 0 as late, floor as low from ${watermarks}
  union all select late_era, '-infinity'::float8 from ${watermarks})`

/**
 * For a statement that makes events ready and touches no lane: locks the table of lanes all the same, and no row of it. A CTE that must
 * be read, or its table is not locked when the plan is used again.
 */
export const gate = ({ lanes }: Database): RawBuilder<unknown> => sql`
  gate as materialized (select lane from ${lanes} where false for key share)`

/** Moves the marks if enough has been claimed and settled here. Never rejects: nothing depends on it. */
export const raiseIfNeeded = async (context: StoreContext): Promise<void> => {
  if (context.turned < TURNED_BETWEEN) return
  context.turned = 0
  try {
    await raiseMarks(context)
  } catch (error) {
    if (context.raiseFailed || IN_THE_WAY.has(sqlState(error) ?? '')) return
    context.raiseFailed = true
    context.config.logger.warn(
      { error },
      `The low-water marks of the store in schema '${context.config.schema}' could not be moved, claims may slow down ` +
        `beside an old transaction: ${describeError(error)}`,
    )
  }
}

/** Moves the marks past everything that is over. */
export const raiseMarks = async ({ db }: StoreContext): Promise<void> => {
  await db.kysely.transaction().execute(async (transaction) => {
    await sql`set local lock_timeout = ${sql.lit(LOCK_LIMIT)}`.execute(transaction)
    // Under the other levels a statement that waited for the lock would still see the marks as they were.
    const { rows } = await sql<{ level: string }>`select current_setting('transaction_isolation') as level`.execute(
      transaction,
    )
    if (rows[0]?.level !== 'read committed') return
    await sql`lock table ${db.lanes} in exclusive mode`.execute(transaction)
    await raiseStatement(db).execute(transaction)
  })
}

/** Indexes lanes_pkey, events_ready and events_serial, each from its mark on. */
const raiseStatement = (db: Database): RawBuilder<unknown> => {
  const { events, lanes, watermarks } = db
  const ready = (serial: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`state = 'ready' and lane is null and ${serial}`
  const late = (serial: RawBuilder<unknown>): RawBuilder<unknown> => sql`
    (select key from ${events} where ${ready(serial)} and late = (select late_era from old) limit ${MAX_CARRIED + 1}::int)`
  const first = (serial: RawBuilder<unknown>): RawBuilder<unknown> => sql`
    (select order_key from ${events}
      where ${ready(serial)} and late = 0 and order_key >= (select floor from old) order by order_key, key limit 1)`
  return sql`
    with old as materialized (select lane_era, late_era, floor from ${watermarks}),
    of_lanes as materialized (
      select lane from ${lanes} where era = (select lane_era from old) limit ${MAX_CARRIED + 1}::int),
    late as materialized (${late(sql`not serial`)} union all ${late(sql`serial`)}),
    carries as materialized (
      select (select count(*) from of_lanes) <= ${MAX_CARRIED}::int as lanes, (select count(*) from late) <= ${MAX_CARRIED}::int as late),
    carried_lanes as (
      update ${lanes} set era = era + 1 where era = (select lane_era from old) and (select lanes from carries)),
    carried_events as (
      update ${events} set late = late + 1
      where key = any(array(select key from late)) and (select late from carries))
    update ${watermarks} set
      lane_era = lane_era + (select lanes from carries)::int,
      late_era = late_era + (select late from carries)::int,
      floor = coalesce(least(${first(sql`not serial`)}, ${first(sql`serial`)}), ${NOW}::float8)`
}
