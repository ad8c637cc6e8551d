import type { NewEvent } from '@buslane/core'
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { type Database, NOW, PREPARED } from './database.ts'
import { type InsertedRow, whole } from './inserted.ts'
import { enterNew } from './lanes.ts'
import { gate, lateFor } from './low-water.ts'
import { type From, type Template, template } from './statement-template.ts'

/** One event, and what goes with it. */
interface One {
  readonly event: NewEvent
  readonly worker: string | undefined
  readonly token: string
}

/** What makes the text of the statement differ. */
interface Shape {
  /** A worker may get it, or it is this worker's alone. */
  readonly working: boolean
  /** It has a lane, and enters that if it is due. */
  readonly entering: boolean
  /** Stored as scheduled, and its lane and the low-water marks left alone. */
  readonly enterLater: boolean
  /** An expression that tells other processes, the same for all statements of a store. */
  readonly hint: RawBuilder<unknown> | undefined
}

const templates = new WeakMap<Database, Map<string, Template<One, InsertedRow>>>()

/**
 * The statement for one event that has no key to take, and no entry in the log. A lone publish waits for it, so its text is made once, and
 * its values are parameters and no arrays.
 */
export const insertOne = (db: Database, one: One, shape: Shape): CompiledQuery<InsertedRow> => {
  const known = templates.get(db) ?? new Map<string, Template<One, InsertedRow>>()
  templates.set(db, known)
  const { working, entering, enterLater, hint } = shape
  const { due } = one.event
  const when = due === undefined ? 'now' : 'at' in due ? 'at' : 'delay'
  const name = `${when} ${working} ${entering} ${enterLater} ${hint !== undefined}`
  let statement = known.get(name)
  if (statement === undefined) {
    statement = template(db, (from) => oneStatement(db, { ...shape, when }, from))
    known.set(name, statement)
  }
  return statement(one)
}

interface TimedShape extends Shape {
  readonly when: 'now' | 'at' | 'delay'
}

const oneStatement = (db: Database, shape: TimedShape, from: From<One>): RawBuilder<InsertedRow> => {
  const { working, entering, enterLater, hint } = shape
  const columns = columnsOf(db, shape, from)
  const steps = [
    // For key share, as in every append.
    ...(working
      ? [
          sql`me as materialized (
            select worker from ${db.workers}
            where worker = ${from(({ worker }) => worker)}::uuid and dead_at is null for key share)`,
        ]
      : []),
    ...(entering ? [sql`fresh as materialized (${timed(shape, from)})`, enterNew(db, working)] : []),
    // What enters a lane locks the table of lanes anyway.
    ...(entering || enterLater ? [] : [gate(db)]),
  ]
  return sql<InsertedRow>`
    ${PREPARED}
    ${steps.length > 0 ? sql`with ${sql.join(steps)}` : sql``}
    insert into ${db.events} as e (${sql.join(Object.keys(columns).map((name) => sql.id(name)))})
    select ${sql.join(Object.values(columns))}
    from ${entering ? sql`fresh` : sql`(${timed(shape, from)})`} f
    ${working ? sql`left join me on true` : sql``}
    ${entering ? sql`left join entered l on true` : sql``}
    ${entering || enterLater ? sql`` : sql`left join gate on true`}
    returning
      e.accepted_at::float8 as now, e.key::text as keys,
      case when e.token is null then '-' when e.started then 's' else 'l' end as leases,
      null as idempotency_keys${hint ? sql`, ${hint} as hint` : sql``}`
}

/** Its times, by the clock at the start of the statement, and what its lane has to know. */
const timed = (shape: TimedShape, from: From<One>): RawBuilder<unknown> => {
  const baseAt = sql`greatest(c.now, t.due_at)`
  const offset = sql`${from(({ event }) => event.orderOffsetMs ?? null)}::float8`
  // The offset keeps the planner from writing the clock's expression in place of each use of it.
  return sql`
    select c.now, t.due_at, ${baseAt} as base_at,
      coalesce(${baseAt}::float8 + ${offset}, ${from(({ event }) => event.priority)}::float8) as order_key,
      ${shape.enterLater ? sql`false` : sql`t.due_at <= c.now`} as due,
      ${from(({ event }) => event.keep !== undefined)}::boolean as keep,
      ${from(({ event }) => event.lane ?? null)}::text as lane
    from (select ${NOW} as now offset 0) c
    cross join lateral (select ${dueAt(shape, from)} as due_at) t`
}

const dueAt = ({ when }: TimedShape, from: From<One>): RawBuilder<unknown> => {
  if (when === 'now') return sql`c.now`
  const ms = from(({ event: { due } }) => due && whole('at' in due ? due.at : due.delayMs))
  return when === 'at' ? sql`${ms}::bigint` : sql`c.now + ${ms}::bigint`
}

/** What is stored, by column; of the event's times `f`, for a worker its row `me`, and its lane `l`, if it entered that. */
const columnsOf = (
  db: Database,
  { working, entering, enterLater }: TimedShape,
  from: From<One>,
): Readonly<Record<string, RawBuilder<unknown>>> => {
  const text = (read: (event: NewEvent) => string | undefined): RawBuilder<unknown> =>
    sql`${from(({ event }) => read(event) ?? null)}::text`
  const number = (type: 'int' | 'bigint' | 'float8', read: (event: NewEvent) => number | undefined) =>
    sql`${from(({ event }) => read(event) ?? null)}::${sql.raw(type)}`
  const flag = (read: (event: NewEvent) => boolean): RawBuilder<unknown> =>
    sql`${from(({ event }) => read(event))}::boolean`

  const kept = sql`(f.due and f.keep and me.worker is not null${entering ? sql` and l.given` : sql``})`
  const handlers = text(({ keep }) => keep?.start && JSON.stringify(keep.start))
  const mayStart = entering
    ? sql` and l.held <= ${number('int', ({ keep }) => keep?.laneStart ?? 1)} and (l.held = 1 or f.order_key >= l.reach)`
    : sql``
  const started = sql`(${kept} and ${handlers} is not null${mayStart})`
  const ifKept = (value: RawBuilder<unknown>): RawBuilder<unknown> => sql`case when ${kept} then ${value} end`
  return {
    state: working
      ? sql`case when not f.due then 'scheduled' when ${kept} then 'running' else 'ready' end`
      : sql`case when f.due then 'ready' else 'scheduled' end`,
    late: enterLater ? sql`0` : lateFor(db, sql`f.order_key`),
    kind: text(({ message }) => message.kind),
    id: text(({ message }) => message.id),
    type: text(({ message }) => message.type),
    version: number('int', ({ message }) => message.version),
    session_id: text(({ message }) => message.sessionId),
    payload: text(({ message }) => message.payload),
    headers: text(({ message }) => message.headers),
    lane: sql`f.lane`,
    serial: flag((event) => event.serial),
    priority: number('float8', (event) => event.priority),
    order_offset: number('float8', ({ orderOffsetMs }) => orderOffsetMs),
    order_key: sql`f.order_key`,
    base_at: sql`f.base_at`,
    due_at: sql`f.due_at`,
    accepted_at: sql`f.now`,
    expires_at: sql`f.now + ${number('bigint', ({ expiresInMs }) => (expiresInMs === undefined ? undefined : whole(expiresInMs)))}`,
    on_crash: text((event) => event.onCrash),
    ...(working && {
      owner: sql`case when ${flag((event) => event.mine)} then me.worker end`,
      worker: ifKept(sql`me.worker`),
      token: ifKept(sql`${from(({ token }) => token)}::uuid`),
      started: sql`coalesce(${started}, false)`,
      unreported: sql`coalesce(${started}, false)::int`,
      handlers: sql`case when ${started} then ${handlers} end`,
    }),
  }
}
