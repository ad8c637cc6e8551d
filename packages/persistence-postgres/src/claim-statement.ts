import type { ClaimRequest } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { isUuid } from './ids.ts'

/** One claimed event, beside facts about the claim; `key` is null in the only row of a claim that got nothing. */
export interface ClaimRow {
  readonly now: number
  /** Something is due and not ready yet, so nothing was claimed. */
  readonly due: boolean
  readonly more: boolean
  /** Of all claimed events, in order. */
  readonly keys: string | null
  readonly key: string | null
  readonly kind: 'event' | 'command'
  readonly id: string
  readonly type: string
  readonly version: number
  readonly session_id: string
  readonly payload: string
  readonly headers: string
  readonly lane: string | null
  readonly serial: boolean
  readonly priority: number
  readonly order_key: number
  readonly base_at: number
  readonly on_crash: 'retry' | 'fail'
  readonly idempotency_key: string | null
  readonly started: boolean
  readonly begun: boolean
  readonly unreported: number
  readonly interruptions: number
  readonly handlers: string | null
  readonly progress: string | null
  readonly expired: boolean
  readonly deferred_since: number | null
  readonly replays: number
}

/** What is read of each candidate. */
const candidate = sql`e.key, e.order_key, e.type, e.version, e.begun,
  e.expires_at <= ${NOW} and e.handlers is null as expired`

/** At least so many events are looked at in few lanes, so that their order among each other is exact. */
const MIN_LANE_BUDGET = 256

/**
 * One statement that leases what is ready, in order. It never waits: rows that others have locked are skipped, so claims do not queue
 * behind each other, and a claim, which locks lanes before events, is no part of any deadlock.
 *
 * *Exclusive*: events without a lane by the lock on their row; those of a lane by the lock on the lane's row, which is taken only
 * while nobody holds the lane. The statement reads the events of a lane as they were when it began; that is no earlier than the
 * state of the lane that it checks again once locked, except for events that came since, which the next claim gets.
 */
export const claimStatement = (
  { db }: StoreContext,
  request: ClaimRequest,
  { token, evenIfDue }: { readonly token: string; readonly evenIfDue: boolean },
): RawBuilder<ClaimRow> => {
  const { limit, start, laneLimit } = request
  const worker = isUuid(request.worker) ? request.worker : null
  const serialLimit = Math.min(request.serialLimit, limit)
  const { events, lanes, workers } = db
  const types = [...new Map(request.types.map((wanted) => [`${wanted.version} ${wanted.type}`, wanted])).values()]
  const paused = types.filter((wanted) => wanted.paused)
  const budget = Math.max(2 * limit, MIN_LANE_BUDGET)
  const isPaused = (alias: RawBuilder<unknown>): RawBuilder<boolean> => sql`(${alias}.type, ${alias}.version) in (
    select * from unnest(${paused.map(({ type }) => type)}::text[], ${paused.map(({ version }) => version)}::int[]))`
  // Events of types that are unknown here are among the candidates: they are set aside, so that they are passed over once.
  const unordered = (serial: RawBuilder<unknown>, atMost: number): RawBuilder<unknown> => sql`
    select ${candidate}
    from ${events} e
    where e.state = 'ready' and e.lane is null and ${serial} and exists (select from me)
      and (e.owner is null or e.owner = ${worker}::uuid)
      ${paused.length === 0 ? sql`` : sql`and not ${isPaused(sql`e`)}`}
    order by e.order_key, e.key
    limit ${atMost}::int
    for update skip locked`
  const free = sql`select lane, held, waiting, head from ${lanes} l`
  // A lane that waits behind a paused type must not use up the claim: while one is paused, each lane is asked for its first
  // event. Index events_lane.
  const goesOn =
    paused.length === 0
      ? sql`true`
      : sql`not coalesce((
          select ${isPaused(sql`e`)} from ${events} e
          where e.lane = l.lane and e.state = 'ready'
          order by e.begun desc, e.order_key, e.key limit 1), false)`

  return sql<ClaimRow>`
    with
    -- Index events_due.
    clock as materialized (
      select exists (
        select from ${events} where state in ('scheduled', 'retrying') and due_at <= ${NOW}
      ) as due),
    -- A sweep that finds this worker dead needs the row for itself: it comes before this statement, and then nothing is claimed, or
    -- after, and then it gives back what was. Heartbeats do not wait for this lock.
    me as materialized (
      select worker from ${workers}
      where worker = ${worker}::uuid and dead_at is null
        ${evenIfDue ? sql`` : sql`and not (select due from clock)`}
      for key share),
    wanted as materialized (
      select * from unnest(
        ${types.map(({ type }) => type)}::text[], ${types.map(({ version }) => version)}::int[],
        ${types.map((wanted) => wanted.paused === true)}::boolean[],
        ${types.map(({ handlers }) => (handlers ? JSON.stringify(handlers) : null))}::text[]
      ) as w (type, version, paused, handlers)),
    -- Indexes events_ready and events_serial, each read from its beginning.
    plain as materialized (${unordered(sql`not e.serial`, limit)}),
    serial as materialized (${unordered(sql`e.serial`, serialLimit)}),
    -- Index lanes_free. What is checked here is checked again on the locked row: no other claim holds the lane after that.
    idle as materialized (
      ${free} where worker is null and retrying = 0 and waiting > 0 and exists (select from me) and ${goesOn}
      order by head, lane limit ${limit}::int for update skip locked),
    -- Index lanes_held.
    own as materialized (
      ${free} where worker = ${worker}::uuid and retrying = 0 and waiting > 0 and held < ${laneLimit}::int
        and exists (select from me) and ${goesOn}
      order by head, lane limit ${limit}::int for update skip locked),
    taken_lanes as materialized (
      select *, true as idle from idle union all select *, false from own),
    depth as materialized (
      select least(${laneLimit}::int, greatest(1, ${budget}::int / greatest(1, count(*)::int))) as most from taken_lanes),
    -- Index events_lane. One more than can be taken, to know what the lane goes on with.
    seen as materialized (
      select null::text as lane, true as idle, 0 as held, 0 as waiting, null::float8 as head, 1 as room, c.*
      from (select * from plain union all select * from serial) c
      union all
      select l.lane, l.idle, l.held, l.waiting, l.head, least(d.most, ${laneLimit}::int - l.held) as room, c.*
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
      select p.*,
        fits and row_number() over in_order <= ${limit}::int as picked,
        startable and count(*) filter (where startable) over in_order <= ${start}::int as start,
        row_number() over in_order as rank
      from placed p
      cross join lateral (select p.known and not p.blocked and p.place <= p.room as fits) f
      cross join lateral (
        select f.fits and p.handlers is not null and p.expired is not true
          and (p.lane is null or p.idle and p.place = 1) as startable) g
      window in_order as (partition by fits order by p.sort_key, p.sort_seq, p.place)),
    -- Arrays, not joins: their plan does not depend on how many rows the statistics expect.
    starting as (
      update ${events} e
      set state = 'running', worker = ${worker}::uuid, token = ${token}::uuid, started = true,
        unreported = e.unreported + 1,
        handlers = coalesce(
          e.handlers, (select w.handlers from wanted w where w.type = e.type and w.version = e.version))
      where e.key = any(array(select key from ranked where picked and start))
      returning e.*),
    ahead as (
      update ${events} e
      set state = 'running', worker = ${worker}::uuid, token = ${token}::uuid, started = false
      where e.key = any(array(select key from ranked where picked and not start))
      returning e.*),
    aside as (
      update ${events} e set state = 'unhandled'
      where e.key = any(array(select key from ranked where not known and not blocked))),
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
      delete from ${lanes} where lane = any(array(select lane from lane_counts where waiting = 0 and held = 0))),
    -- The rows are there and locked: the upsert is an update that finds each by the primary key, whatever is expected.
    changed as (
      insert into ${lanes} (lane, waiting, held, retrying, worker, head)
      select lane, waiting, held, 0, case when held > 0 then ${worker}::uuid end, head
      from lane_counts where waiting > 0 or held > 0
      on conflict (lane) do update set
        waiting = excluded.waiting, held = excluded.held, worker = excluded.worker, head = excluded.head),
    facts as (
      select ${NOW}::float8 as now, c.due,
        (select string_agg(key::text, ' ' order by rank) from ranked where picked) as keys,
        (select count(*) from plain) >= ${limit}::int
          or ${serialLimit > 0} and (select count(*) from serial) >= ${serialLimit}::int
          or (select count(*) from idle) >= ${limit}::int
          or exists (
            select from ranked
            where not blocked and not picked
              and (not known or place <= room or lane is not null and room < ${laneLimit}::int - held))
        as more
      from clock c)
    select
      f.now, f.due, f.more, f.keys, e.key::text as key, e.kind, e.id, e.type, e.version, e.session_id, e.payload, e.headers,
      e.lane, e.serial, e.priority, e.order_key, e.base_at::float8 as base_at, e.on_crash, e.idempotency_key, e.started, e.begun,
      e.unreported, e.interruptions, e.handlers, e.progress,
      coalesce(e.expires_at <= ${NOW} and e.handlers is null, false) as expired,
      e.deferred_since::float8 as deferred_since, e.replays
    from facts f left join (select * from starting union all select * from ahead) e on true`
}
