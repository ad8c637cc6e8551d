import { type RawBuilder, sql } from 'kysely'
import type { Database } from './database.ts'
import { laneEra } from './low-water.ts'

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
  const free = sql`select lane, held, waiting, head, reach, l.xmin::text as version from ${db.lanes} l where era = ${laneEra(db)}`
  // A lane that waits behind a paused type must not use up the claim: while one is paused, each lane is asked for its first event.
  const goesOn = isPaused
    ? sql`not coalesce((
        select ${isPaused(sql`f`)}
        from (${firstOfLane(db, { columns: sql`e.type, e.version`, limit: sql`1` })}) f), false)`
    : sql`true`
  return sql`
    -- Index lanes_free. What is checked here is checked again on the locked row: no other claim holds the lane after that.
    idle as materialized (
      ${free} and worker is null and retrying = 0 and waiting > 0 and exists (select from me) and ${goesOn}
      order by head, lane limit ${limit}::int for update skip locked),
    -- Index lanes_held.
    own as materialized (
      ${free} and worker = ${worker}::uuid and retrying = 0 and waiting > 0 and held < ${laneLimit}::int
        and exists (select from me) and ${goesOn}
      order by head, lane limit ${limit}::int for update skip locked),
    found_lanes as materialized (
      select * from idle union all select * from own),
    -- A lane that changed after this statement began is locked as it is now, but its events would be read as they were then: one that
    -- has just been given back would be missed, and a later one taken. Whoever makes an event of a lane ready changes the lane's row
    -- too, so a lane whose row is still the one that this statement sees has no such event. The others are left for the next claim.
    taken_lanes as materialized (
      select f.lane, f.held, f.waiting, f.head, f.reach from found_lanes f
      where f.version = (select s.xmin::text from ${db.lanes} s where s.era = ${laneEra(db)} and s.lane = f.lane)),
    depth as materialized (
      select least(${laneLimit}::int, greatest(1, ${budget}::int / greatest(1, count(*)::int))) as most from taken_lanes),
    -- One more than can be taken, to know what the lane goes on with. Read without a lock, so that nothing is passed over.
    looked as materialized (
      select l.lane, l.held, l.waiting, l.head, l.reach, least(d.most, ${laneLimit}::int - l.held) as room,
        c.key, c.order_key, c.type, c.version, c.begun, c.expired, c.others
      from taken_lanes l
      cross join depth d
      cross join lateral (${firstOfLane(db, {
        columns: sql`${candidate}, e.owner is not null and e.owner is distinct from ${worker}::uuid as others`,
        limit: sql`least(d.most, ${laneLimit}::int - l.held) + 1`,
      })}) c),
    -- The primary key. What is missing here is being cancelled, or moved, and may stay.
    unlocked as materialized (
      select e.key from ${events} e
      where e.key = any(array(select key from looked where not others)) and e.state = 'ready'
      for update skip locked),
    seen as materialized (
      select null::text as lane, 0 as held, 0 as waiting, null::float8 as head, null::float8 as reach, 1 as room, c.*,
        false as others, true as free
      from (select * from plain union all select * from serial) c
      union all
      select l.*, l.key in (select key from unlocked) as free from looked l),
    -- A lane waits behind an event of a paused type, and behind one that somebody has locked. An event that goes first although its
    -- order key is late does not make what follows it any earlier. One that only another worker may claim is passed over.
    placed as materialized (
      select s.*, w.type is not null as known, w.handlers,
        s.others or coalesce(bool_or(not s.others and (w.paused or not s.free)) over in_lane, false) as blocked,
        count(w.type) filter (where not s.others) over in_lane as place,
        max(s.order_key) over in_lane as sort_key,
        max(s.key) over in_lane as sort_seq
      from seen s
      left join wanted w on w.type = s.type and w.version = s.version
      window in_lane as (
        partition by s.lane, case when s.lane is null then s.key end order by s.begun desc, s.order_key, s.key)),
    ranked as materialized (
      select p.lane, p.held, p.waiting, p.head, p.reach, p.room, p.key, p.order_key, p.begun, p.known, p.blocked, p.place, f.fits,
        f.fits and row_number() over in_order <= ${limit}::int as picked,
        g.startable and count(*) filter (where g.startable) over in_order <= ${start}::int as start,
        row_number() over in_order as rank
      from placed p
      cross join lateral (select p.known and not p.blocked and p.place <= p.room as fits) f
      cross join lateral (
        select f.fits and p.handlers is not null and p.expired is not true
          and (p.lane is null or p.held + p.place <= ${laneStart}::int
            and (p.held = 0 or not p.begun and p.order_key >= p.reach)) as startable) g
      window in_order as (partition by f.fits order by p.sort_key, p.sort_seq, p.place))`
}

/** How to read the first events of lane `l`. */
interface FirstOfLane {
  /** Of events `e`. */
  readonly columns: RawBuilder<unknown>
  readonly limit: RawBuilder<unknown>
}

/**
 * The first ready events of lane `l`, in order. Index events_lane: those that have begun from the first one, the others from the lane's
 * `head` on, so that what was handled long ago is not passed.
 */
export const firstOfLane = ({ events }: Database, { columns, limit }: FirstOfLane): RawBuilder<unknown> => {
  const part = (condition: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
    select ${columns}, e.begun as goes_first, e.order_key as goes_at, e.key as goes_by
    from ${events} e
    where e.lane = l.lane and e.state = 'ready' and ${condition}
    order by e.order_key, e.key limit ${limit})`
  return sql`
    select * from (${part(sql`e.begun`)} union all ${part(sql`not e.begun and e.order_key >= l.head`)}) f
    order by goes_first desc, goes_at, goes_by limit ${limit}`
}

/** Brings the rows of the lanes up to date: they are locked, so what was read of them is what they are. */
export const changeLanes = ({ db, worker }: ClaimShape): RawBuilder<unknown> => sql`
  -- Nothing that waits may have a lower order key than its head. What was looked at is in order, so the first that stays is the lowest of
  -- all, unless some of it goes first although its order key is late.
  lane_counts as materialized (
    select lane,
      waiting - count(*) filter (where picked or not known and not blocked) as waiting,
      held + count(*) filter (where picked) as held,
      case when bool_or(begun) then head
        else coalesce(min(order_key) filter (where not picked and (known or blocked)), head) end as head,
      greatest(case when held > 0 then reach end, max(order_key) filter (where picked)) as reach
    from ranked
    where lane is not null
    group by lane, waiting, held, head, reach
    having count(*) filter (where picked or not known and not blocked) > 0),
  emptied as (
    delete from ${db.lanes}
    where era = ${laneEra(db)} and lane = any(array(select lane from lane_counts where waiting = 0 and held = 0))),
  -- The upsert is an update that finds each row by the primary key, whatever the statistics expect.
  changed as (
    insert into ${db.lanes} (era, lane, waiting, held, retrying, worker, head, reach)
    select ${laneEra(db)}, lane, waiting, held, 0, case when held > 0 then ${worker}::uuid end, head, reach
    from lane_counts where waiting > 0 or held > 0
    on conflict (era, lane) do update set
      waiting = excluded.waiting, held = excluded.held, worker = excluded.worker, head = excluded.head, reach = excluded.reach)`

/** Whether the lanes were cut short: there were more of them, or one has more than was looked at and room for it. */
export const lanesHaveMore = ({ limit, laneLimit }: ClaimShape): RawBuilder<boolean> => sql`(
  (select count(*) from idle) >= ${limit}::int
  or (select count(*) from found_lanes) > (select count(*) from taken_lanes)
  or exists (
    select from ranked
    where known and not blocked and not picked and lane is not null and room < ${laneLimit}::int - held))`
