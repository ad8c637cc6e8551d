import type { Lease, Progress, Report, StoredError } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import { keyArray } from './array-literal.ts'
import type { StoreContext } from './context.ts'
import { CLOCK, type Database, NOW, PREPARED } from './database.ts'
import { firstOfLane } from './claim-lanes.ts'
import { applyDelta } from './lanes.ts'
import { lateFor } from './low-water.ts'

/** The events whose reports were applied, as one row: many cost more to send and to read than to make. */
export interface ReportedRow {
  /** Null if there are none. */
  readonly keys: string | null
  /** Those of them whose lane is overtaken. */
  readonly overtaken: string | null
}

/** The answer of a statement, from its CTE `settled s`. */
export const selectReported = (isOvertaken: RawBuilder<boolean>): RawBuilder<unknown> => sql`
  select string_agg(s.key::text, ' ') as keys, string_agg(s.key::text, ' ') filter (where ${isOvertaken}) as overtaken
  from settled s`

/** The subselect hides how many there are: many constants look dearer than reading the whole table, which is full of others. */
export const keyIn = (keys: readonly string[]): RawBuilder<boolean> =>
  sql`e.key = any(array(select unnest(${keyArray(keys)}::bigint[])))`

/** Those of them whose rows nobody has locked. */
const keyUnlocked = (db: Database, keys: readonly string[]): RawBuilder<boolean> => sql`
  e.key = any(array(
    select u.key from ${db.events} u where u.key = any(array(select unnest(${keyArray(keys)}::bigint[]))) for update skip locked))`

/**
 * Whether the row is leased as it is said to be. What one claim gave has one token. Else each row finds its token by its key, as in
 * {@link updateStatement}: a join could be planned badly, since the table is empty every other moment.
 */
const isLeased = (leases: readonly Lease[], token: string | undefined): RawBuilder<boolean> =>
  token === undefined
    ? sql`e.token = (${JSON.stringify(Object.fromEntries(leases.map((lease) => [lease.key, lease.token])))}::jsonb ->> e.key::text)::uuid`
    : sql`e.token = ${token}::uuid`

const onlyToken = (leases: readonly Lease[]): string | undefined => {
  const [first] = leases
  return leases.every(({ token }) => token === first?.token) ? first?.token : undefined
}

/** Deletes what is handled: one probe of the primary key per event, with its lease compared on the row as it is once locked. */
export const completeStatement = ({ db, config }: StoreContext, leases: readonly Lease[]): RawBuilder<ReportedRow> => {
  const token = onlyToken(leases)
  return sql<ReportedRow>`
  ${PREPARED}
  with settled as (
    delete from ${db.events} e
    where ${keyIn(leases.map(({ key }) => key))} and ${isLeased(leases, token)}
    returning e.key, e.lane, e.idempotency_key),
  delta as materialized (
    select lane, 0 as waiting, -count(*) as held, 0 as retrying, null::float8 as head
    from settled where lane is not null group by lane),
  ${applyDelta(db)},
  ${findOvertaken(db)},
  ${keepKeys(db, 'done', config.idempotencyRetentionMs)}
  ${selectReported(IS_OVERTAKEN)}`
}

/**
 * The keys of settled events stay taken for a while. It reads the CTE `settled (idempotency_key)`. Index: the primary key.
 * `retentionMs` undefined: until somebody ends it.
 */
export const keepKeys = (
  db: Database,
  outcome: 'done' | 'dead',
  retentionMs: number | undefined,
): RawBuilder<unknown> => sql`
  kept_keys as (
    update ${db.idempotency} set outcome = ${outcome},
      expires_at = ${retentionMs === undefined ? sql`null` : sql`${CLOCK} + ${Math.ceil(retentionMs)}::bigint`}
    where key = any(array(select idempotency_key from settled where idempotency_key is not null)))`

/**
 * Finds out in which lanes an event that goes before one which the worker still holds, and has not begun, has become ready. A hint: it
 * sees what was there when the statement began. It reads the CTEs `settled` and `locked`, and adds `overtaken`.
 *
 * In nearly every lane the row of the lane alone tells that there is none: all that waits has higher keys than all that is held. Else
 * index events_lane: the first that waits, and what is held between that and the highest key of it. With a limit, because what may become
 * a join is joined, where the table is believed to be empty, to all that any lane holds.
 */
export const findOvertaken = (db: Database): RawBuilder<unknown> => sql`
  overtaken as materialized (
    select l.lane
    from locked l
    cross join lateral (${firstOfLane(db, { columns: sql`e.begun, e.order_key, e.key, e.owner`, limit: sql`1` })}) f
    cross join lateral (
      select from ${db.events} h
      where h.lane = l.lane and h.state = 'running' and not h.started and not h.begun
        and h.order_key >= case when f.begun then '-infinity' else f.order_key end and h.order_key <= l.reach
        and h.key <> all(array(select key from settled))
        and (f.begun or (f.order_key, f.key) < (h.order_key, h.key))
      limit 1) held
    where l.waiting > 0 and l.held > 0
      and (l.head <= l.reach
        or exists (select from ${db.events} b where b.lane = l.lane and b.state = 'ready' and b.begun))
      and f.owner is null)`

/** Whether the lane of the row `s` of `settled` is overtaken. */
export const IS_OVERTAKEN: RawBuilder<boolean> = sql`
  (s.lane is not null and s.lane = any(array(select lane from overtaken)))`

/**
 * What is reported of the handlers of event `e`, and what is done already: a handler may have committed its end in a transaction of its
 * own (`completeIn`), which the worker's own account does not know yet, or takes for a failure because the handler threw after that.
 */
export const mergeProgress = (reported: RawBuilder<string>): RawBuilder<string> => sql`
  case when e.progress is null or ${reported} is null then coalesce(${reported}, e.progress)
  else (
    select json_object_agg(p.key, p.value)::text
    from (
      select d.key, d.value from json_each(e.progress::json) d where d.value->>'status' = 'done'
      union all
      select n.key, n.value from json_each((${reported})::json) n
      where not exists (
        select from json_each(e.progress::json) d where d.key = n.key and d.value->>'status' = 'done')) p)
  end`

/**
 * All reports that leave the event in the store, in one update: the token is compared on the row as it is once locked. Index: the
 * primary key. A `retry` of an event of a named lane is what the lane waits for from now on; other events go on.
 */
export const updateStatement = (
  { db }: StoreContext,
  reports: readonly Report[],
  skipLocked = false,
): RawBuilder<ReportedRow> => {
  const keys = reports.map(({ lease }) => lease.key)
  // By key, so that a row finds its report without a join: token, kind, delay, handlers, progress, error, reason, failed.
  const byKey = Object.fromEntries(
    reports.map((report) => [
      report.lease.key,
      [
        report.lease.token,
        report.kind,
        'delayMs' in report ? Math.min(Math.ceil(report.delayMs), 8.64e15) : 0,
        'handlers' in report ? JSON.stringify(report.handlers) : null,
        'progress' in report && report.progress ? JSON.stringify(report.progress) : null,
        'error' in report && report.error ? errorText(report.error) : null,
        report.kind === 'dead' ? report.reason : null,
        'progress' in report && hasFailed(report.progress),
      ],
    ]),
  )
  const report = (field: number): RawBuilder<string> => sql`(r.by_key -> e.key::text ->> ${sql.lit(field)})`
  const kind = report(1)
  return sql<ReportedRow>`
    ${PREPARED}
    with settled as (
      update ${db.events} e set
        state = case ${kind}
          when 'start' then 'running' when 'progress' then 'running'
          when 'retry' then case when e.lane is null then 'scheduled' else 'retrying' end
          when 'release' then 'ready' when 'defer' then 'scheduled'
          when 'undecodable' then 'undecodable' when 'dead' then 'dead' end,
        late = case when ${kind} = 'release' then ${lateFor(db, sql`e.order_key`)} else e.late end,
        worker = case when ${kind} in ('start', 'progress') then e.worker end,
        token = case when ${kind} in ('start', 'progress') then e.token end,
        started = ${kind} = 'start' or ${kind} = 'progress' and e.started,
        unreported = case when ${kind} = 'start' then e.unreported + 1 else 0 end,
        begun = e.begun or ${kind} = 'retry' or ${report(4)} is not null,
        interruptions = case when ${kind} in ('retry', 'progress') then 0 else e.interruptions end,
        due_at = case when ${kind} in ('retry', 'defer') then ${NOW} + ${report(2)}::bigint else e.due_at end,
        deferred_since = case when ${kind} = 'defer' then coalesce(e.deferred_since, ${NOW}) else e.deferred_since end,
        handlers = case when ${kind} = 'start' then coalesce(e.handlers, ${report(3)}) else e.handlers end,
        progress = ${mergeProgress(report(4))},
        error = coalesce(${report(5)}, e.error),
        reason = coalesce(${report(6)}, e.reason),
        first_failed_at = case when ${report(7)} = 'true' then coalesce(e.first_failed_at, ${NOW}) else e.first_failed_at end
      from (select ${JSON.stringify(byKey)}::jsonb as by_key) r
      where ${skipLocked ? keyUnlocked(db, keys) : keyIn(keys)} and e.token = ${report(0)}::uuid
      returning e.key, e.lane, e.order_key, ${kind} as kind),
    delta as materialized (
      select lane, count(*) filter (where kind = 'release') as waiting, -count(*) as held,
        count(*) filter (where kind = 'retry') as retrying, min(order_key) filter (where kind = 'release') as head
      from settled
      where lane is not null and kind not in ('start', 'progress') group by lane),
    ${applyDelta(db)},
    ${findOvertaken(db)}
    ${selectReported(sql`s.kind in ('defer', 'undecodable', 'dead') and ${IS_OVERTAKEN}`)}`
}

/** Whether a handler has failed, for good or not. */
const hasFailed = (progress: Progress | undefined): boolean =>
  Object.values(progress ?? {}).some(({ status }) => status !== 'done')

export const errorText = (error: StoredError): string => JSON.stringify(error)
