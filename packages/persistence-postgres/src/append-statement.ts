import { randomUUID } from 'node:crypto'
import type { NewEvent } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import { textArray } from './array-literal.ts'
import type { StoreContext } from './context.ts'
import { type Database, NOW, PREPARED, type Statement } from './database.ts'
import { insertOne } from './append-one.ts'
import { isUuid } from './ids.ts'
import { type InsertedRow, whole } from './inserted.ts'
import { enterNew } from './lanes.ts'
import { gate, lateFor } from './low-water.ts'

const MAX_PREPARED = 16

interface InsertOptions {
  readonly worker: string | undefined
  readonly enterLater?: boolean
  /** How long it waits for a transaction that uses one of its idempotency keys; `undefined`: as long as that lasts. */
  readonly keyWaitMs?: number | undefined
  /** An expression that tells other processes. */
  readonly hint?: RawBuilder<unknown> | undefined
}

/**
 * One statement that stores all events: only the steps that some event needs are in it. `enterLater`: all are stored as scheduled, and
 * lanes and low-water marks left alone.
 */
export const insertEvents = (
  { db, config }: StoreContext,
  events: readonly NewEvent[],
  { worker, enterLater = false, keyWaitMs, hint }: InsertOptions,
): { readonly statement: Statement<InsertedRow>; readonly token: string } => {
  const token = randomUUID()
  const keyed = events.some(({ idempotencyKey }) => idempotencyKey !== undefined)
  const entering = !enterLater && events.some(({ lane }) => lane !== undefined)
  const working =
    worker !== undefined && isUuid(worker) && !enterLater && events.some(({ keep, mine }) => keep !== undefined || mine)
  const logs = config.logs
  const logged = logs && events.some(({ message: { kind, type } }) => kind === 'event' && logs(type))
  const [event, ...others] = events
  if (event && others.length === 0 && !keyed && !logged) {
    return { statement: insertOne(db, { event, worker, token }, { working, entering, enterLater, hint }), token }
  }

  const steps: RawBuilder<unknown>[] = []
  // For key share: a sweep that finds this worker dead needs the row for itself, so it comes before or after this statement,
  // never between the check and the lease. Heartbeats, which leave the key alone, do not wait. Before a key is waited for, too: whoever
  // asks what this worker holds waits for its row.
  if (working) {
    steps.push(sql`me as materialized (
      select worker from ${db.workers} where worker = ${worker}::uuid and dead_at is null for key share)`)
  }
  const plain = !keyed && !entering
  // What enters a lane locks the table of lanes anyway.
  const gated = !entering && !enterLater
  if (gated) steps.push(gate(db))
  steps.push(given(plain ? 'fresh' : 'given', events, logs, { enterLater, keyed }))
  // Whoever inserts a key first has it: the unique index makes the other wait for the commit, and then find it taken. Sorted, so
  // that two appends with the same keys do not wait for each other.
  if (keyed) {
    // Until the end of this statement, which is its transaction. It is set before the first key is waited for: the keys are sorted.
    const limited = keyWaitMs !== undefined
    if (limited)
      steps.push(
        sql`patience as materialized (select set_config('lock_timeout', ${String(keyWaitMs)}::text, true) as ms)`,
      )
    steps.push(sql`keys as (
      insert into ${db.idempotency} (key, id)
      select idempotency_key, id from given ${limited ? sql`cross join patience` : sql``}
      where idempotency_key is not null ${limited ? sql`and ms is not null` : sql``}
        ${working ? sql`and (select count(*) from me) >= 0` : sql``} order by idempotency_key
      on conflict do nothing
      returning key)`)
  }
  if (!plain) {
    steps.push(sql`fresh as materialized (
      select g.*${entering ? inLane : sql``}
      from given g
      ${keyed ? sql`where g.idempotency_key is null or g.idempotency_key in (select key from keys)` : sql``})`)
  }
  if (entering) steps.push(enterNew(db, working))
  steps.push(insert(db, { entering, working, gated, token }))
  if (logged) {
    steps.push(sql`logged as (
      insert into ${db.eventLog} (logged_at, kind, id, type, version, session_id, payload, headers)
      select accepted_at, kind, id, type, version, session_id, payload, headers from fresh where logged order by ord)`)
  }
  // A plan for any number of rows expects few, and is a good one for few, or where nothing is joined.
  const prepared = events.length <= MAX_PREPARED || plain
  const statement = sql<InsertedRow>`
    ${prepared ? PREPARED : sql``}
    with ${sql.join(steps)}
    select
      ${NOW}::float8 as now,
      string_agg(key::text, ' ' order by key) as keys,
      string_agg(case when token is null then '-' when started then 's' else 'l' end, '' order by key) as leases,
      ${keyed ? sql`json_agg(idempotency_key order by key)::text` : sql`null`} as idempotency_keys${hint ? sql`, ${hint} as hint` : sql``}
    from stored`
  return { statement, token }
}

/** Which one of its lane it is in this append, and how many of the lane there are. */
const inLane = sql`,
  row_number() over (partition by g.lane, g.due order by g.order_key, g.ord) as place,
  count(*) over (partition by g.lane, g.due) as together`

/** The events as rows, with their times: all by the clock at the start of the statement. */
const given = (
  name: 'given' | 'fresh',
  events: readonly NewEvent[],
  logs: ((type: string) => boolean) | undefined,
  { enterLater, keyed }: { readonly enterLater: boolean; readonly keyed: boolean },
): RawBuilder<unknown> => {
  const { facets, of } = facetsOf(events)
  const texts = (text: (event: NewEvent) => string | null): string => textArray(events.map(text))
  const hasLanes = events.some(({ lane }) => lane !== undefined)
  // Read by every statement that inserts, whether this one has such events or not. The offset keeps the planner from writing the clock's
  // expression in place of each use of it: evaluated a dozen times for every row, it took longer than all the rest.
  return sql`${sql.raw(name)} as ${name === 'given' ? sql`materialized` : sql``} (
    select
      i.*, f.*, c.accepted_at, t.due_at, greatest(c.accepted_at, t.due_at) as base_at,
      ${hasLanes ? sql`` : sql`null::text as lane,`} ${keyed ? sql`` : sql`null::text as idempotency_key,`}
      case when f.order_offset is null then f.priority
        else greatest(c.accepted_at, t.due_at)::float8 + f.order_offset end as order_key,
      ${enterLater ? sql`false` : sql`t.due_at <= c.accepted_at`} as due
    from (select ${NOW} as accepted_at offset 0) c
    cross join unnest(
      ${texts(({ message }) => message.id)}::text[], ${texts(({ message }) => message.sessionId)}::text[],
      ${texts(({ message }) => message.payload)}::text[], ${texts(({ message }) => message.headers)}::text[]
      ${hasLanes ? sql`, ${texts(({ lane }) => lane ?? null)}::text[]` : sql``}
      ${keyed ? sql`, ${texts(({ idempotencyKey }) => idempotencyKey ?? null)}::text[]` : sql``}
      ${facets.length > 1 ? sql`, ${of}::int[]` : sql``}
    ) with ordinality as i(
      id, session_id, payload, headers ${hasLanes ? sql`, lane` : sql``} ${keyed ? sql`, idempotency_key` : sql``}
      ${facets.length > 1 ? sql`, facet` : sql``}, ord)
    ${facets.length > 1 ? sql`join ${facetRows(facets, logs)} on f.number = i.facet` : sql`cross join ${facetRow(facets[0]!, logs)}`}
    cross join lateral (select coalesce(f.due_on, c.accepted_at + f.delay_ms, c.accepted_at) as due_at) t)`
}

/** What many events of an append have alike: it is sent once. */
type Facet = Pick<
  NewEvent,
  'serial' | 'priority' | 'orderOffsetMs' | 'due' | 'expiresInMs' | 'onCrash' | 'keep' | 'mine'
> & {
  readonly message: Pick<NewEvent['message'], 'kind' | 'type' | 'version'>
}

/** The different facets, nearly: an event is compared with the one before. `of`: the number of each event's, from 1. */
const facetsOf = (
  events: readonly NewEvent[],
): { readonly facets: readonly Facet[]; readonly of: readonly number[] } => {
  const facets: Facet[] = []
  let last: Facet | undefined
  const of = events.map((event) => {
    if (last === undefined || !isAlike(last, event)) facets.push((last = event))
    return facets.length
  })
  return { facets, of }
}

const isAlike = (a: Facet, b: Facet): boolean =>
  a.message.type === b.message.type &&
  a.message.version === b.message.version &&
  a.message.kind === b.message.kind &&
  a.serial === b.serial &&
  a.priority === b.priority &&
  a.orderOffsetMs === b.orderOffsetMs &&
  a.due === b.due &&
  a.expiresInMs === b.expiresInMs &&
  a.onCrash === b.onCrash &&
  (a.keep === undefined) === (b.keep === undefined) &&
  a.keep?.start === b.keep?.start &&
  a.keep?.laneStart === b.keep?.laneStart &&
  a.mine === b.mine

type Logs = ((type: string) => boolean) | undefined

/** Name, type and value of the columns of a facet. */
const FACET: readonly (readonly [string, string, (facet: Facet, logs: Logs) => unknown])[] = [
  ['kind', 'text', ({ message }) => message.kind],
  ['type', 'text', ({ message }) => message.type],
  ['version', 'int', ({ message }) => message.version],
  ['serial', 'boolean', ({ serial }) => serial],
  ['priority', 'float8', ({ priority }) => priority],
  ['order_offset', 'float8', ({ orderOffsetMs }) => orderOffsetMs ?? null],
  ['due_on', 'bigint', ({ due }) => (due && 'at' in due ? whole(due.at) : null)],
  ['delay_ms', 'bigint', ({ due }) => (due && 'delayMs' in due ? whole(due.delayMs) : null)],
  ['expires_in', 'bigint', ({ expiresInMs }) => (expiresInMs === undefined ? null : whole(expiresInMs))],
  ['on_crash', 'text', ({ onCrash }) => onCrash],
  ['keep', 'boolean', ({ keep }) => keep !== undefined],
  ['handlers', 'text', ({ keep }) => (keep?.start ? JSON.stringify(keep.start) : null)],
  ['lane_start', 'int', ({ keep }) => keep?.laneStart ?? 1],
  ['mine', 'boolean', ({ mine }) => mine],
  ['logged', 'boolean', ({ message: { kind, type } }, logs) => logs !== undefined && kind === 'event' && logs(type)],
]

const facetRow = (facet: Facet, logs: Logs): RawBuilder<unknown> => sql`(
  select ${sql.join(FACET.map(([name, type, value]) => sql`${value(facet, logs)}::${sql.raw(type)} as ${sql.id(name)}`))}) f`

const facetRows = (facets: readonly Facet[], logs: Logs): RawBuilder<unknown> => sql`unnest(
  ${sql.join(FACET.map(([, type, value]) => sql`${facets.map((facet) => value(facet, logs))}::${sql.raw(type)}[]`))}
  ) with ordinality as f(${sql.join(FACET.map(([name]) => sql.id(name)))}, number)`

interface InsertShape {
  readonly entering: boolean
  readonly working: boolean
  /** The gate has to be read. */
  readonly gated: boolean
  readonly token: string
}

const insert = (db: Database, { entering, working, gated, token }: InsertShape): RawBuilder<unknown> => {
  const kept = working
    ? sql`(f.due and f.keep and exists (select from me)${entering ? sql` and (f.lane is null or coalesce(l.given, false))` : sql``})`
    : sql`false`
  const started = working
    ? sql`(${kept} and f.handlers is not null${entering ? sql` and (f.lane is null or l.held - f.together + f.place <= f.lane_start and (l.held = f.together or f.order_key >= l.reach))` : sql``})`
    : sql`false`
  return sql`stored as (
    insert into ${db.events} (
      state, late, kind, id, type, version, session_id, payload, headers, lane, serial, priority, order_offset, order_key, base_at,
      due_at, accepted_at, expires_at, idempotency_key, on_crash, owner, worker, token, started, unreported, handlers)
    select
      case when not f.due then 'scheduled' when k.kept then 'running' else 'ready' end, ${lateFor(db, sql`f.order_key`)},
      f.kind, f.id, f.type, f.version, f.session_id, f.payload, f.headers, f.lane, f.serial, f.priority, f.order_offset,
      f.order_key, f.base_at, f.due_at, f.accepted_at, f.accepted_at + f.expires_in, f.idempotency_key, f.on_crash,
      ${working ? sql`case when f.mine then (select worker from me) end` : sql`null::uuid`},
      ${working ? sql`case when k.kept then (select worker from me) end` : sql`null::uuid`},
      case when k.kept then ${token}::uuid end, k.started, k.started::int,
      case when k.started then f.handlers end
    from fresh f
    ${entering ? sql`left join entered l on l.lane = f.lane` : sql``}
    ${gated ? sql`left join gate on true` : sql``}
    cross join lateral (select ${kept} as kept, ${started} as started) k
    order by f.ord
    returning key, idempotency_key, accepted_at, order_key, due_at, token, started)`
}
