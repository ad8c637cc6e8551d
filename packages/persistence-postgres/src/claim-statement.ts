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
  readonly start: boolean
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
  // Events of types that are unknown here are among the candidates: they are set aside, so that they are passed over once.
  const unordered = (serial: RawBuilder<unknown>, atMost: number): RawBuilder<unknown> => sql`
    select ${candidate}
    from ${events} e
    where e.state = 'ready' and e.lane is null and ${serial} and exists (select from me)
      and (e.owner is null or e.owner = ${worker}::uuid)
      ${
        paused.length === 0
          ? sql``
          : sql`and (e.type, e.version) not in (
              select * from unnest(${paused.map(({ type }) => type)}::text[], ${paused.map(({ version }) => version)}::int[]))`
      }
    order by e.order_key, e.key
    limit ${atMost}::int
    for update skip locked`
  const free = sql`select lane, held, waiting, head from ${lanes}`

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
      ${free} where worker is null and retrying = 0 and waiting > 0 and exists (select from me)
      order by head, lane limit ${limit}::int for update skip locked),
    -- Index lanes_held.
    own as materialized (
      ${free} where worker = ${worker}::uuid and retrying = 0 and waiting > 0 and held < ${laneLimit}::int
        and exists (select from me)
      order by head, lane limit ${limit}::int for update skip locked),
    taken_lanes as materialized (
      select *, true as idle from idle union all select *, false from own),
    depth as materialized (
      select least(${laneLimit}::int, greatest(1, ${budget}::int / greatest(1, count(*)::int))) as most from taken_lanes),
    -- Index events_lane. One more than can be taken, to know what the lane goes on with.
    fetched as materialized (
      select l.lane, l.idle, l.held, c.*, w.type is not null as known, coalesce(w.paused, false) as paused, w.handlers
      from taken_lanes l
      cross join depth d
      cross join lateral (
        select ${candidate}
        from ${events} e
        where e.lane = l.lane and e.state = 'ready' and (e.owner is null or e.owner = ${worker}::uuid)
        order by e.begun desc, e.order_key, e.key
        limit least(d.most, ${laneLimit}::int - l.held) + 1
        for update skip locked
      ) c
      left join wanted w on w.type = c.type and w.version = c.version),
    -- A lane waits behind an event of a paused type. An event that goes first although its order key is late does not make what
    -- follows it any earlier.
    placed as materialized (
      select f.*,
        bool_or(f.paused) over in_lane as blocked,
        count(*) filter (where f.known) over in_lane as place,
        max(f.order_key) over in_lane as sort_key,
        max(f.key) over in_lane as sort_seq,
        least(d.most, ${laneLimit}::int - f.held) as room
      from fetched f cross join depth d
      window in_lane as (partition by f.lane order by f.begun desc, f.order_key, f.key)),
    candidates as materialized (
      select c.key, null::text as lane, w.type is not null as known, true as first, w.handlers, c.expired,
        c.order_key as sort_key, c.key as sort_seq, 1 as place
      from (select * from plain union all select * from serial) c
      left join wanted w on w.type = c.type and w.version = c.version
      union all
      select key, lane, known, idle and place = 1, handlers, expired, sort_key, sort_seq, place
      from placed where not blocked and (place <= room or not known)),
    picked as materialized (
      select key, lane, first, handlers, expired,
        row_number() over (order by sort_key, sort_seq, place) as n,
        first and handlers is not null and expired is not true as startable
      from candidates where known
      order by sort_key, sort_seq, place
      limit ${limit}::int),
    chosen as materialized (
      select p.*, p.startable and count(*) filter (where p.startable) over (order by p.n) <= ${start}::int as start
      from picked p),
    claimed as (
      update ${events} e
      set state = 'running', worker = ${worker}::uuid, token = ${token}::uuid, started = p.start,
        unreported = e.unreported + p.start::int,
        handlers = case when p.start then coalesce(e.handlers, p.handlers) else e.handlers end
      from chosen p
      where e.key = p.key and e.key = any(array(select key from chosen))
      returning e.*, p.n, p.start, p.expired),
    aside as (
      update ${events} e set state = 'unhandled'
      where e.key = any(array(select key from candidates where not known))),
    lane_counts as materialized (
      select l.lane,
        l.waiting - count(p.key) - count(*) filter (where not f.known and not f.blocked) as waiting,
        l.held + count(p.key) as held,
        coalesce(min(f.order_key) filter (where p.key is null and (f.known or f.blocked)), l.head) as head
      from taken_lanes l
      join placed f on f.lane = l.lane
      left join chosen p on p.key = f.key
      group by l.lane, l.waiting, l.held, l.head
      having count(p.key) > 0 or count(*) filter (where not f.known and not f.blocked) > 0),
    emptied as (
      delete from ${lanes} l using lane_counts k where l.lane = k.lane and k.waiting = 0 and k.held = 0),
    changed as (
      update ${lanes} l
      set waiting = k.waiting, held = k.held, head = k.head, worker = case when k.held > 0 then ${worker}::uuid end
      from lane_counts k
      where l.lane = k.lane and (k.waiting > 0 or k.held > 0)),
    facts as (
      select ${NOW}::float8 as now, c.due,
        (select count(*) from plain) >= ${limit}::int
          or ${serialLimit > 0} and (select count(*) from serial) >= ${serialLimit}::int
          or (select count(*) from idle) >= ${limit}::int
          or exists (select from candidates where not known)
          or (select count(*) from candidates where known) > (select count(*) from picked)
          or exists (
            select from placed f join lane_counts k on k.lane = f.lane
            where f.known and not f.blocked and f.place > f.room and k.held < ${laneLimit}::int)
        as more
      from clock c)
    select
      f.now, f.due, f.more, e.key::text as key, e.kind, e.id, e.type, e.version, e.session_id, e.payload, e.headers, e.lane,
      e.serial, e.priority, e.order_key, e.base_at::float8 as base_at, e.on_crash, e.idempotency_key, e.start, e.begun,
      e.unreported, e.interruptions, e.handlers, e.progress, coalesce(e.expired, false) as expired,
      e.deferred_since::float8 as deferred_since, e.replays
    from facts f left join claimed e on true
    order by e.n`
}
