import { randomUUID } from 'node:crypto'
import type { NewEvent } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW, PREPARED } from './database.ts'
import { isUuid } from './ids.ts'

/** One stored event. */
export interface InsertedRow {
  readonly key: string
  readonly idempotency_key: string | null
  readonly accepted_at: number
  readonly order_key: number
  readonly due_at: number
  readonly leased: boolean
  readonly started: boolean
}

const MAX_PREPARED = 16
/** The most events of one lane that a worker is given with appends: the rest it claims. */
const MAX_KEPT_OF_LANE = 100
/** What a time can be: 8.64e15 is the last that a `Date` can hold. */
const MAX_TIME = 8.64e15

/**
 * One statement that stores all events: only the steps that some event needs are in it. `enterLater`: events of named lanes are
 * stored as scheduled for now, and their lanes left alone.
 */
export const insertEvents = (
  { db, config }: StoreContext,
  events: readonly NewEvent[],
  { worker, enterLater = false }: { readonly worker: string | undefined; readonly enterLater?: boolean },
): { readonly statement: RawBuilder<InsertedRow>; readonly token: string } => {
  const token = randomUUID()
  const keyed = events.some(({ idempotencyKey }) => idempotencyKey !== undefined)
  const entering = !enterLater && events.some(({ lane }) => lane !== undefined)
  const working =
    worker !== undefined && isUuid(worker) && !enterLater && events.some(({ keep, mine }) => keep !== undefined || mine)
  const logs = config.logs
  const logged = logs && events.some(({ message: { kind, type } }) => kind === 'event' && logs(type))

  const steps: RawBuilder<unknown>[] = []
  // For key share: a sweep that finds this worker dead needs the row for itself, so it comes before or after this statement,
  // never between the check and the lease. Heartbeats, which leave the key alone, do not wait.
  if (working) {
    steps.push(sql`me as materialized (
      select worker from ${db.workers} where worker = ${worker}::uuid and dead_at is null for key share)`)
  }
  steps.push(given(events, logs, enterLater))
  // Whoever inserts a key first has it: the unique index makes the other wait for the commit, and then find it taken. Sorted, so
  // that two appends with the same keys do not wait for each other.
  if (keyed) {
    steps.push(sql`keys as (
      insert into ${db.idempotency} (key, id)
      select idempotency_key, id from given where idempotency_key is not null order by idempotency_key
      on conflict do nothing
      returning key)`)
  }
  steps.push(sql`fresh as materialized (
    select g.*${entering ? inLane : sql``}
    from given g
    ${keyed ? sql`where g.idempotency_key is null or g.idempotency_key in (select key from keys)` : sql``})`)
  if (entering) steps.push(enterLanes(db.lanes, working))
  steps.push(insert(db.events, { entering, working, token }))
  if (logged) {
    steps.push(sql`logged as (
      insert into ${db.eventLog} (logged_at, kind, id, type, version, session_id, payload, headers)
      select accepted_at, kind, id, type, version, session_id, payload, headers from fresh where logged order by ord)`)
  }
  // A plan for any number of rows expects few, and is a good one for few, or where nothing is joined.
  const prepared = events.length <= MAX_PREPARED || !(keyed || entering)
  const statement = sql<InsertedRow>`
    ${prepared ? PREPARED : sql``}
    with ${sql.join(steps)}
    select
      key::text as key, idempotency_key, accepted_at::float8 as accepted_at, order_key, due_at::float8 as due_at,
      token is not null as leased, started
    from stored
    order by stored.key`
  return { statement, token }
}

/** Which one of its lane it is in this append, and how many of the lane there are. */
const inLane = sql`,
  row_number() over (partition by g.lane, g.due order by g.order_key, g.ord) as place,
  count(*) over (partition by g.lane, g.due) as together`

/** The events as rows, with their times: all by the clock at the start of the statement. */
const given = (
  events: readonly NewEvent[],
  logs: ((type: string) => boolean) | undefined,
  enterLater: boolean,
): RawBuilder<unknown> => {
  const column = <Value>(of: (event: NewEvent) => Value): readonly Value[] => events.map(of)
  const message = (name: 'kind' | 'id' | 'type' | 'version' | 'sessionId' | 'payload' | 'headers') =>
    column((event) => event.message[name])
  return sql`given as materialized (
    select
      i.*, c.accepted_at, t.due_at, greatest(c.accepted_at, t.due_at) as base_at,
      case when i.order_offset is null then i.priority
        else greatest(c.accepted_at, t.due_at)::float8 + i.order_offset end as order_key,
      t.due_at <= c.accepted_at ${enterLater ? sql`and i.lane is null` : sql``} as due
    from (select ${NOW} as accepted_at) c
    cross join unnest(
      ${message('kind')}::text[], ${message('id')}::text[], ${message('type')}::text[], ${message('version')}::int[],
      ${message('sessionId')}::text[], ${message('payload')}::text[], ${message('headers')}::text[],
      ${column(({ lane }) => lane ?? null)}::text[], ${column(({ serial }) => serial)}::boolean[],
      ${column(({ priority }) => priority)}::float8[], ${column(({ orderOffsetMs }) => orderOffsetMs ?? null)}::float8[],
      ${column(({ due }) => (due && 'at' in due ? whole(due.at) : null))}::bigint[],
      ${column(({ due }) => (due && 'delayMs' in due ? whole(due.delayMs) : null))}::bigint[],
      ${column(({ expiresInMs }) => (expiresInMs === undefined ? null : whole(expiresInMs)))}::bigint[],
      ${column(({ idempotencyKey }) => idempotencyKey ?? null)}::text[], ${column(({ onCrash }) => onCrash)}::text[],
      ${column(({ keep }) => keep !== undefined)}::boolean[],
      ${column(({ keep }) => (keep?.start ? JSON.stringify(keep.start) : null))}::text[],
      ${column(({ mine }) => mine)}::boolean[],
      ${column(({ message: { kind, type } }) => logs !== undefined && kind === 'event' && logs(type))}::boolean[]
    ) with ordinality as i(
      kind, id, type, version, session_id, payload, headers, lane, serial, priority, order_offset, due_on, delay_ms, expires_in,
      idempotency_key, on_crash, keep, handlers, mine, logged, ord)
    cross join lateral (select coalesce(i.due_on, c.accepted_at + i.delay_ms, c.accepted_at) as due_at) t)`
}

/** Never early: a fraction of a millisecond is rounded up. */
const whole = (ms: number): number => Math.min(Math.max(Math.ceil(ms), -MAX_TIME), MAX_TIME)

/**
 * Counts the events that are due into their lanes, before they are inserted: the rows are locked in the order of their names until
 * the commit, so the keys of a lane are in the order of its commits. Whether the worker is given them is decided by the lane's
 * own row as it is once locked: all of them, if the lane is idle or its own and nothing waits in it; else none. The primary key of
 * lanes serves it.
 */
const enterLanes = (lanes: RawBuilder<unknown>, working: boolean): RawBuilder<unknown> => {
  if (!working) {
    return sql`entered as (
      insert into ${lanes} as l (lane, waiting, held, retrying, head)
      select lane, count(*), 0, 0, min(order_key) from fresh where lane is not null and due group by lane order by lane
      on conflict (lane) do update set
        waiting = l.waiting + excluded.waiting,
        head = case when l.waiting = 0 then excluded.head else least(l.head, excluded.head) end
      returning lane, false as given, held)`
  }
  const granted = sql`(excluded.held > 0 and l.waiting = 0 and l.retrying = 0
    and (l.worker is null or l.worker = excluded.worker) and l.held + excluded.held <= ${MAX_KEPT_OF_LANE})`
  return sql`entering as materialized (
      select lane, count(*)::int as n, min(order_key) as head,
        bool_and(keep) and count(*) <= ${MAX_KEPT_OF_LANE} and exists (select from me) as keep
      from fresh where lane is not null and due group by lane),
    entered as (
      insert into ${lanes} as l (lane, waiting, held, retrying, worker, head)
      select lane, case when keep then 0 else n end, case when keep then n else 0 end, 0,
        case when keep then (select worker from me) end, head
      from entering order by lane
      on conflict (lane) do update set
        held = l.held + case when ${granted} then excluded.held else 0 end,
        waiting = l.waiting + case when ${granted} then 0 else excluded.held + excluded.waiting end,
        worker = case when ${granted} then excluded.worker else l.worker end,
        head = case when ${granted} then l.head when l.waiting = 0 then excluded.head
          else least(l.head, excluded.head) end
      returning l.lane, l.waiting = 0 as given, l.held)`
}

const insert = (
  events: RawBuilder<unknown>,
  { entering, working, token }: { readonly entering: boolean; readonly working: boolean; readonly token: string },
): RawBuilder<unknown> => {
  const kept = working
    ? sql`(f.due and f.keep and exists (select from me)${entering ? sql` and (f.lane is null or coalesce(l.given, false))` : sql``})`
    : sql`false`
  const started = working
    ? sql`(${kept} and f.handlers is not null${entering ? sql` and (f.lane is null or (l.held = f.together and f.place = 1))` : sql``})`
    : sql`false`
  return sql`stored as (
    insert into ${events} (
      state, kind, id, type, version, session_id, payload, headers, lane, serial, priority, order_offset, order_key, base_at,
      due_at, accepted_at, expires_at, idempotency_key, on_crash, owner, worker, token, started, unreported, handlers)
    select
      case when not f.due then 'scheduled' when k.kept then 'running' else 'ready' end,
      f.kind, f.id, f.type, f.version, f.session_id, f.payload, f.headers, f.lane, f.serial, f.priority, f.order_offset,
      f.order_key, f.base_at, f.due_at, f.accepted_at, f.accepted_at + f.expires_in, f.idempotency_key, f.on_crash,
      ${working ? sql`case when f.mine then (select worker from me) end` : sql`null::uuid`},
      ${working ? sql`case when k.kept then (select worker from me) end` : sql`null::uuid`},
      case when k.kept then ${token}::uuid end, k.started, k.started::int,
      case when k.started then f.handlers end
    from fresh f
    ${entering ? sql`left join entered l on l.lane = f.lane` : sql``}
    cross join lateral (select ${kept} as kept, ${started} as started) k
    order by f.ord
    returning key, idempotency_key, accepted_at, order_key, due_at, token, started)`
}
