import { type RawBuilder, sql } from 'kysely'
import type { Database } from './database.ts'

/** What the parts of a claim are made from. */
export interface ClaimShape {
  readonly db: Database
  readonly worker: string | null
  readonly limit: number
  readonly start: number
  readonly laneLimit: number
  readonly laneStart: number
  readonly isPaused: ((alias: RawBuilder<unknown>) => RawBuilder<boolean>) | undefined
  /** The columns of a candidate. */
  readonly candidate: RawBuilder<unknown>
}

/** At least so many events are looked at in few lanes, so that their order among each other is exact. */
const MIN_LANE_BUDGET = 256

/** Leases lanes, looks at the first events of each, and puts them in one order with those that have no lane. */
export const rankWithLanes = (shape: ClaimShape): RawBuilder<unknown> => {
  const { db, worker, limit, start, laneLimit, laneStart, isPaused, candidate } = shape
  const { events } = db
  const budget = Math.max(2 * limit, MIN_LANE_BUDGET)
  const free = sql`select lane, held, waiting, head, l.xmin::text as version from ${db.lanes} l`
  // A lane that waits behind a paused type must not use up the claim: while one is paused, each lane is asked for its first
  // event. Index events_lane.
  const goesOn = isPaused
    ? sql`not coalesce((
        select ${isPaused(sql`e`)} from ${events} e
        where e.lane = l.lane and e.state = 'ready'
        order by e.begun desc, e.order_key, e.key limit 1), false)`
    : sql`true`
  return sql`
    -- Index lanes_free. What is checked here is checked again on the locked row: no other claim holds the lane after that.
    idle as materialized (
      ${free} where worker is null and retrying = 0 and waiting > 0 and exists (select from me) and ${goesOn}
      order by head, lane limit ${limit}::int for update skip locked),
    -- Index lanes_held.
    own as materialized (
      ${free} where worker = ${worker}::uuid and retrying = 0 and waiting > 0 and held < ${laneLimit}::int
        and exists (select from me) and ${goesOn}
      order by head, lane limit ${limit}::int for update skip locked),
    found_lanes as materialized (
      select * from idle union all select * from own),
    -- A lane that changed after this statement began is locked as it is now, but its events would be read as they were then: one that
    -- has just been given back would be missed, and a later one taken. Whoever makes an event of a lane ready changes the lane's row
    -- too, so a lane whose row is still the one that this statement sees has no such event. The others are left for the next claim.
    taken_lanes as materialized (
      select f.lane, f.held, f.waiting, f.head from found_lanes f
      where f.version = (select s.xmin::text from ${db.lanes} s where s.lane = f.lane)),
    depth as materialized (
      select least(${laneLimit}::int, greatest(1, ${budget}::int / greatest(1, count(*)::int))) as most from taken_lanes),
    -- Index events_lane. One more than can be taken, to know what the lane goes on with.
    seen as materialized (
      select null::text as lane, 0 as held, 0 as waiting, null::float8 as head, 1 as room, c.*
      from (select * from plain union all select * from serial) c
      union all
      select l.lane, l.held, l.waiting, l.head, least(d.most, ${laneLimit}::int - l.held) as room, c.*
      from taken_lanes l
      cross join depth d
      cross join lateral (
        select ${candidate}
        from ${events} e
        where e.lane = l.lane and e.state = 'ready' and (e.owner is null or e.owner = ${worker}::uuid)
        order by e.begun desc, e.order_key, e.key
        limit least(d.most, ${laneLimit}::int - l.held) + 1
        for update skip locked
      ) c),
    -- A lane waits behind an event of a paused type. An event that goes first although its order key is late does not make what
    -- follows it any earlier.
    placed as materialized (
      select s.*, w.type is not null as known, w.handlers,
        coalesce(bool_or(w.paused) over in_lane, false) as blocked,
        count(w.type) over in_lane as place,
        max(s.order_key) over in_lane as sort_key,
        max(s.key) over in_lane as sort_seq
      from seen s
      left join wanted w on w.type = s.type and w.version = s.version
      window in_lane as (
        partition by s.lane, case when s.lane is null then s.key end order by s.begun desc, s.order_key, s.key)),
    ranked as materialized (
      select p.lane, p.held, p.waiting, p.head, p.room, p.key, p.order_key, p.known, p.blocked, p.place, f.fits,
        f.fits and row_number() over in_order <= ${limit}::int as picked,
        g.startable and count(*) filter (where g.startable) over in_order <= ${start}::int as start,
        row_number() over in_order as rank
      from placed p
      cross join lateral (select p.known and not p.blocked and p.place <= p.room as fits) f
      cross join lateral (
        select f.fits and p.handlers is not null and p.expired is not true
          and (p.lane is null or p.held + p.place <= ${laneStart}::int) as startable) g
      window in_order as (partition by f.fits order by p.sort_key, p.sort_seq, p.place))`
}

/** Brings the rows of the lanes up to date: they are locked, so what was read of them is what they are. */
export const changeLanes = ({ db, worker }: ClaimShape): RawBuilder<unknown> => sql`
  lane_counts as materialized (
    select lane,
      waiting - count(*) filter (where picked or not known and not blocked) as waiting,
      held + count(*) filter (where picked) as held,
      coalesce(min(order_key) filter (where not picked and (known or blocked)), head) as head
    from ranked
    where lane is not null
    group by lane, waiting, held, head
    having count(*) filter (where picked or not known and not blocked) > 0),
  emptied as (
    delete from ${db.lanes} where lane = any(array(select lane from lane_counts where waiting = 0 and held = 0))),
  -- The upsert is an update that finds each row by the primary key, whatever the statistics expect.
  changed as (
    insert into ${db.lanes} (lane, waiting, held, retrying, worker, head)
    select lane, waiting, held, 0, case when held > 0 then ${worker}::uuid end, head
    from lane_counts where waiting > 0 or held > 0
    on conflict (lane) do update set
      waiting = excluded.waiting, held = excluded.held, worker = excluded.worker, head = excluded.head)`

/** Whether the lanes were cut short: there were more of them, or one has more than was looked at and room for it. */
export const lanesHaveMore = ({ limit, laneLimit }: ClaimShape): RawBuilder<boolean> => sql`(
  (select count(*) from idle) >= ${limit}::int
  or (select count(*) from found_lanes) > (select count(*) from taken_lanes)
  or exists (
    select from ranked
    where known and not blocked and not picked and lane is not null and room < ${laneLimit}::int - held))`
