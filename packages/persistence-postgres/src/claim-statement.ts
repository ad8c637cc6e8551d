import type { ClaimRequest, ClaimType } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import { changeLanes, type ClaimShape, lanesHaveMore, rankWithLanes } from './claim-lanes.ts'
import type { StoreContext } from './context.ts'
import { NOW, PREPARED } from './database.ts'
import { isUuid } from './ids.ts'
import { laneEra, ranges } from './low-water.ts'

/** The first row has the facts about the claim, and no key; each other is a claimed event. */
export interface ClaimRow {
  readonly now: number
  /** Something is due and not ready yet, so nothing was claimed. */
  readonly due: boolean
  /** Lanes have something for this worker; a statement without lanes then claimed nothing. */
  readonly lanes: boolean
  readonly more: boolean
  readonly events_bytes: number
  readonly lanes_bytes: number
  /** Of all claimed events, in order. */
  readonly keys: string | null
  readonly key: string | null
  readonly id: string
  readonly type: string
  readonly version: number
  readonly session_id: string
  readonly payload: string
  readonly headers: string
  readonly lane: string | null
  readonly serial: boolean
  readonly order_key: number
  readonly base_at: number
  readonly started: boolean
  readonly handlers: string | null
  /** JSON of {@link ClaimedRest}; null for events like most. */
  readonly rest: string | null
}

/** What most events have none of: to send and to read it for each would cost more than the rest of the claim. */
export interface ClaimedRest {
  readonly kind: 'event' | 'command'
  readonly priority: number
  readonly on_crash: 'retry' | 'fail'
  readonly idempotency_key: string | null
  readonly begun: boolean
  readonly unreported: number
  readonly interruptions: number
  readonly progress: string | null
  readonly deferred_since: number | null
  readonly replays: number
  readonly expired: boolean
}

/** What is read of each candidate. */
const candidate = sql`e.key, e.order_key, e.type, e.version, e.begun,
  e.expires_at is not null and e.expires_at <= ${NOW} and e.handlers is null as expired`

/** What is read of each claimed event. */
const CLAIMED = [
  'key',
  'id',
  'type',
  'version',
  'session_id',
  'payload',
  'headers',
  'lane',
  'serial',
  'order_key',
  'base_at',
  'started',
  'handlers',
] as const

const REST = [
  'kind',
  'priority',
  'on_crash',
  'idempotency_key',
  'begun',
  'unreported',
  'interruptions',
  'progress',
  'deferred_since',
  'replays',
] as const

const column = (name: string): RawBuilder<unknown> => sql.ref(`e.${name}`)

const claimed = sql.join([...CLAIMED, ...REST, 'expires_at'].map(column))

/** bigints become text, or numbers where they are times: drivers differ in what they make of them. */
const read = (name: (typeof CLAIMED)[number]): RawBuilder<unknown> => {
  if (name === 'key') return sql`e.key::text`
  return name === 'base_at' ? sql`e.base_at::float8` : column(name)
}

/** @see ClaimedRest */
const rest = sql`
  case when e.kind = 'event' and e.priority = 50 and e.on_crash = 'retry' and e.idempotency_key is null and not e.begun
    and e.unreported = e.started::int and e.interruptions = 0 and e.progress is null and e.deferred_since is null
    and e.replays = 0 and e.expires_at is null then null
  else json_build_object(
    ${sql.join(REST.map((name) => sql`${sql.lit(name)}::text, ${column(name)}`))},
    'expired', coalesce(e.expires_at <= ${NOW} and e.handlers is null, false))::text end`

/** How a claim goes on after it was asked whether something has to be done first. */
export interface ClaimPlan {
  readonly token: string
  /** Claim although something is due that is not ready yet. */
  readonly evenIfDue: boolean
  /** Look at named lanes, too: dearer, so it is left out while there are none. */
  readonly lanes: boolean
}

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
  { token, evenIfDue, lanes }: ClaimPlan,
): RawBuilder<ClaimRow> => {
  const { limit, start, laneLimit, laneStart = 1 } = request
  const worker = isUuid(request.worker) ? request.worker : null
  const serialLimit = Math.min(request.serialLimit, limit)
  const { events } = db
  const types = [...new Map(request.types.map((wanted) => [`${wanted.version} ${wanted.type}`, wanted])).values()]
  const isPaused = pausedTypes(types)
  // Events of types that are unknown here are among the candidates: they are set aside, so that they are passed over once.
  const unordered = (serial: RawBuilder<unknown>, atMost: number): RawBuilder<unknown> => sql`
    select c.*
    from ${ranges(db)} r
    cross join lateral (
      select ${candidate}
      from ${events} e
      where e.state = 'ready' and e.lane is null and ${serial} and e.late = r.late and e.order_key >= r.low
        and exists (select from me) and (e.owner is null or e.owner = ${worker}::uuid)
        ${isPaused ? sql`and not ${isPaused(sql`e`)}` : sql``}
      order by e.order_key, e.key
      limit ${atMost}::int
      for update skip locked) c
    order by c.order_key, c.key
    limit ${atMost}::int`
  const shape = { db, worker, limit, start, laneLimit, laneStart, isPaused, candidate }
  const update = sql`update ${events} e set state = 'running', worker = ${worker}::uuid, token = ${token}::uuid`

  return sql<ClaimRow>`
    ${PREPARED}
    with
    -- The first entries of the indexes events_due, lanes_free and lanes_held. They are asked for in the order of the index: whether
    -- any row exists looks so likely to the planner that it would read the table until it found one.
    clock as materialized (
      select
        (
          select key from ${events} where state in ('scheduled', 'retrying') and due_at <= ${NOW}
          order by due_at, key limit 1
        ) is not null as due,
        (
          select lane from ${db.lanes} where era = ${laneEra(db)} and worker is null and retrying = 0 and waiting > 0
          order by head, lane limit 1
        ) is not null or (
          select lane from ${db.lanes}
          where era = ${laneEra(db)} and worker = ${worker}::uuid and retrying = 0 and waiting > 0 and held < ${laneLimit}::int
          order by head, lane limit 1
        ) is not null as lanes),
    -- A sweep that finds this worker dead needs the row for itself: it comes before this statement, and then nothing is claimed, or
    -- after, and then it gives back what was. Heartbeats do not wait for this lock.
    me as materialized (
      select worker from ${db.workers}
      where worker = ${worker}::uuid and dead_at is null
        ${evenIfDue ? sql`` : sql`and not (select due from clock)`}
        ${lanes ? sql`` : sql`and not (select lanes from clock)`}
      for key share),
    wanted as materialized (
      select * from unnest(
        ${types.map(({ type }) => type)}::text[], ${types.map(({ version }) => version)}::int[],
        ${types.map((wanted) => wanted.paused === true)}::boolean[],
        ${types.map(({ handlers }) => (handlers ? JSON.stringify(handlers) : null))}::text[]
      ) as w (type, version, paused, handlers)),
    -- Indexes events_ready and events_serial, each read from its low-water mark on, and what came in below that.
    plain as materialized (${unordered(sql`not e.serial`, limit)}),
    serial as materialized (${unordered(sql`e.serial`, serialLimit)}),
    ${lanes ? rankWithLanes(shape) : rankUnordered(shape)},
    -- Arrays, not joins: their plan does not depend on how many rows the statistics expect.
    starting as (
      ${update}, started = true, unreported = e.unreported + 1,
        handlers = coalesce(
          e.handlers, (select w.handlers from wanted w where w.type = e.type and w.version = e.version))
      where e.key = any(array(select key from ranked where picked and start))
      returning ${claimed}),
    ahead as (
      ${update}, started = false
      where e.key = any(array(select key from ranked where picked and not start))
      returning ${claimed}),
    aside as (
      update ${events} e set state = 'unhandled'
      where e.key = any(array(select key from ranked where not known and not blocked))),
    ${lanes ? sql`${changeLanes(shape)},` : sql``}
    facts as (
      select ${NOW}::float8 as now, c.due, c.lanes,
        (select string_agg(key::text, ' ' order by rank) from ranked where picked) as keys,
        (select count(*) from plain) >= ${limit}::int
          or ${serialLimit > 0}::boolean and (select count(*) from serial) >= ${serialLimit}::int
          or exists (select from ranked where not blocked and not picked and (not known or fits))
          ${lanes ? sql`or ${lanesHaveMore(shape)}` : sql``}
        as more,
        ${db.sizeOf('events')} as events_bytes,
        ${db.sizeOf('lanes')} as lanes_bytes
      from clock c)
    select now, due, lanes, more, keys, events_bytes, lanes_bytes, ${sql.join(CLAIMED.map((name) => sql`null as ${sql.id(name)}`))}, null as rest
    from facts
    union all
    select null, null, null, null, null, null, null, ${sql.join(CLAIMED.map(read))}, ${rest}
    from (select * from starting union all select * from ahead) e`
}

/** Whether an event is of a type that is held back; `undefined` if none is. */
const pausedTypes = (types: readonly ClaimType[]): ClaimShape['isPaused'] => {
  const paused = types.filter((wanted) => wanted.paused)
  if (paused.length === 0) return undefined
  return (alias) => sql`(${alias}.type, ${alias}.version) in (
    select * from unnest(${paused.map(({ type }) => type)}::text[], ${paused.map(({ version }) => version)}::int[]))`
}

/** Without lanes the order is that of the candidates. */
const rankUnordered = ({ limit, start }: ClaimShape): RawBuilder<unknown> => sql`
  ranked as materialized (
    select c.key, g.known, g.known as fits, false as blocked,
      g.known and row_number() over in_order <= ${limit}::int as picked,
      g.startable and count(*) filter (where g.startable) over in_order <= ${start}::int as start,
      row_number() over in_order as rank
    from (select * from plain union all select * from serial) c
    left join wanted w on w.type = c.type and w.version = c.version
    cross join lateral (
      select w.type is not null as known, w.handlers is not null and c.expired is not true as startable) g
    window in_order as (partition by g.known order by c.order_key, c.key))`
