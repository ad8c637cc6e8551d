import { type RawBuilder, sql } from 'kysely'
import type { Database } from './database.ts'

/**
 * The end of a statement that changed events of named lanes: brings the counts of those lanes up to date. It reads the CTE
 * `delta (lane, waiting, held, retrying, head)`, one row per lane with what is to be added, and `head`, the lowest order key among the events
 * that are now waiting and were not (null if there are none). It adds the CTEs `locked`, `emptied` and `changed`.
 *
 * Lanes are locked in the order of their names, and after events: whoever holds a lane never waits for an event, so two statements
 * with many lanes cannot deadlock. A row is deleted by its own counts only, as they are once it is locked: asking whether events exist
 * would ask the snapshot, which does not know what has been appended since. Index: the primary key of lanes.
 */
export const applyDelta = (db: Database): RawBuilder<unknown> => sql`
  locked as materialized (
    select
      l.lane,
      l.waiting + d.waiting as waiting,
      l.held + d.held as held,
      l.retrying + d.retrying as retrying,
      case when l.held + d.held > 0 then l.worker end as worker,
      case when l.waiting = 0 then d.head else least(l.head, d.head) end as head
    from ${db.lanes} l
    join delta d on d.lane = l.lane
    where l.lane = any(array(select lane from delta))
    order by l.lane
    for update of l
  ),
  emptied as (
    delete from ${db.lanes} l
    using locked k
    where l.lane = k.lane and k.waiting = 0 and k.held = 0 and k.retrying = 0
  ),
  changed as (
    update ${db.lanes} l
    set waiting = k.waiting, held = k.held, retrying = k.retrying, worker = k.worker, head = k.head
    from locked k
    where l.lane = k.lane and (k.waiting > 0 or k.held > 0 or k.retrying > 0)
  )`

/**
 * As {@link applyDelta}, for events that enter their lane: creates the row of a lane that was idle. `retrying` of an idle
 * lane is 0, so only an existing row can have it lowered. Adds the CTE `entered`.
 */
export const enterLanes = (db: Database): RawBuilder<unknown> => sql`
  entered as (
    insert into ${db.lanes} as l (lane, waiting, held, retrying, head)
    select lane, waiting, 0, retrying, head from delta order by lane
    on conflict (lane) do update set
      waiting = l.waiting + excluded.waiting,
      retrying = l.retrying + excluded.retrying,
      head = case when l.waiting = 0 then excluded.head else least(l.head, excluded.head) end
  )`
