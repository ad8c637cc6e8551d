import { type RawBuilder, sql } from 'kysely'
import type { Database } from './database.ts'
import { laneEra } from './low-water.ts'

/** The most events of one lane that a worker is given with appends: the rest it claims. */
const MAX_KEPT_OF_LANE = 100

/**
 * The end of a statement that changed events of named lanes: brings the counts of those lanes up to date. It reads the CTE
 * `delta (lane, waiting, held, retrying, head)`, one row per lane with what is to be added, and `head`, the lowest order key among the events
 * that are now waiting and were not (null if there are none). It adds the CTEs `locked`, `emptied` and `changed`.
 *
 * Lanes are locked in the order of their names, and after events: whoever holds a lane never waits for an event, so two statements
 * with many lanes cannot deadlock. A row is deleted by its own counts only, as they are once it is locked: asking whether events exist
 * would ask the snapshot, which does not know what has been appended since.
 *
 * Each lane is one probe of the primary key, whatever the statistics say: a lateral subquery that locks cannot become another join, and an
 * upsert has no plan. A queue is often empty when it is analysed, and a nested loop over two lists follows from that.
 */
export const applyDelta = (db: Database): RawBuilder<unknown> => sql`
  locked as materialized (
    select
      l.lane,
      l.waiting + d.waiting as waiting,
      l.held + d.held as held,
      l.retrying + d.retrying as retrying,
      case when l.held + d.held > 0 then l.worker end as worker,
      case when l.waiting = 0 then d.head else least(l.head, d.head) end as head,
      l.reach
    from (select * from delta order by lane) d
    cross join lateral (select * from ${db.lanes} l where l.era = ${laneEra(db)} and l.lane = d.lane for update) l
  ),
  emptied as (
    delete from ${db.lanes}
    where era = ${laneEra(db)} and lane = any(array(select lane from locked where waiting = 0 and held = 0 and retrying = 0))
  ),
  changed as (
    insert into ${db.lanes} as l (era, lane, waiting, held, retrying, worker, head, reach)
    select ${laneEra(db)}, lane, waiting, held, retrying, worker, head, reach from locked where waiting > 0 or held > 0 or retrying > 0
    on conflict (era, lane) do update set
      waiting = excluded.waiting, held = excluded.held, retrying = excluded.retrying, worker = excluded.worker,
      head = excluded.head
  )`

/**
 * As {@link applyDelta}, for events that enter their lane: creates the row of a lane that was idle. `retrying` of an idle
 * lane is 0, so only an existing row can have it lowered. Adds the CTE `entered`.
 */
export const enterLanes = (db: Database): RawBuilder<unknown> => sql`
  entered as (
    insert into ${db.lanes} as l (era, lane, waiting, held, retrying, head)
    select ${laneEra(db)}, lane, waiting, 0, retrying, head from delta order by lane
    on conflict (era, lane) do update set
      waiting = l.waiting + excluded.waiting,
      retrying = l.retrying + excluded.retrying,
      head = case when l.waiting = 0 then excluded.head else least(l.head, excluded.head) end
  )`

/**
 * Counts the events that are due into their lanes, before they are inserted: the rows are locked in the order of their names until
 * the commit, so the keys of a lane are in the order of its commits. Whether the worker is given them is decided by the lane's
 * own row as it is once locked: all of them, if the lane is idle or its own and nothing waits in it; else none. The primary key of
 * lanes serves it. It reads the CTEs `fresh (lane, due, order_key, keep)` and, for a worker, `me`, and adds `entered (lane, given, held, reach)`. What goes before
 * something that is held is not to be recorded as started ahead: that may have begun, and after a crash the first that was started goes first.
 */
export const enterNew = (db: Database, working: boolean): RawBuilder<unknown> => {
  const { lanes } = db
  if (!working) {
    return sql`entered as (
      insert into ${lanes} as l (era, lane, waiting, held, retrying, head)
      select ${laneEra(db)}, lane, count(*), 0, 0, min(order_key) from fresh where lane is not null and due group by lane order by lane
      on conflict (era, lane) do update set
        waiting = l.waiting + excluded.waiting,
        head = case when l.waiting = 0 then excluded.head else least(l.head, excluded.head) end
      returning lane, false as given, held, reach)`
  }
  const granted = sql`(excluded.held > 0 and l.waiting = 0 and l.retrying = 0
    and (l.worker is null or l.worker = excluded.worker) and l.held + excluded.held <= ${MAX_KEPT_OF_LANE})`
  return sql`entering as materialized (
      select lane, count(*)::int as n, min(order_key) as head, max(order_key) as reach,
        bool_and(keep) and count(*) <= ${MAX_KEPT_OF_LANE} and exists (select from me) as keep
      from fresh where lane is not null and due group by lane),
    entered as (
      insert into ${lanes} as l (era, lane, waiting, held, retrying, worker, head, reach)
      select ${laneEra(db)}, lane, case when keep then 0 else n end, case when keep then n else 0 end, 0,
        case when keep then (select worker from me) end, head, reach
      from entering order by lane
      on conflict (era, lane) do update set
        held = l.held + case when ${granted} then excluded.held else 0 end,
        waiting = l.waiting + case when ${granted} then 0 else excluded.held + excluded.waiting end,
        worker = case when ${granted} then excluded.worker else l.worker end,
        head = case when ${granted} then l.head when l.waiting = 0 then excluded.head
          else least(l.head, excluded.head) end,
        reach = case when ${granted} and l.held > 0 then greatest(l.reach, excluded.reach) when ${granted} then excluded.reach
          else l.reach end
      returning l.lane, l.waiting = 0 as given, l.held, l.reach)`
}
