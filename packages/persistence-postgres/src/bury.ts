import type { Lease, Progress, StoredError } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { type Database, NOW } from './database.ts'
import { firstFailure } from './first-failure.ts'
import { applyDelta } from './lanes.ts'
import { errorText, keepKeys, overtaken, type ReportedRow } from './report-statement.ts'

interface Burial extends Lease {
  readonly reason: string
  readonly progress: Progress
  readonly error: StoredError | undefined
}

/**
 * Moves events from the store to the dead letters, in one statement: whatever happens, an event is in exactly one of them. The token
 * is compared on the row as it is once locked. Index: the primary key.
 */
export const buryStatement = ({ db }: StoreContext, burials: readonly Burial[]): RawBuilder<ReportedRow> => {
  const column = <Value>(of: (burial: Burial) => Value): readonly Value[] => burials.map(of)
  return sql<ReportedRow>`
    with reports as materialized (
      select * from unnest(
        ${column(({ key }) => key)}::bigint[], ${column(({ token }) => token)}::uuid[],
        ${column(({ reason }) => reason)}::text[], ${column(({ progress }) => JSON.stringify(progress))}::text[],
        ${column(({ error }) => (error ? errorText(error) : null))}::text[],
        ${column(({ progress, error }) => firstFailure(progress, error) ?? null)}::bigint[]
      ) as r (key, token, reason, progress, error, failed_at)),
    settled as (
      delete from ${db.events} e using reports r
      where e.key = r.key and e.token = r.token and e.key = any(array(select key from reports))
      returning e.key, e.lane, e.worker, e.idempotency_key, e.kind, e.id, e.type, e.version, e.session_id, e.payload, e.headers,
        e.serial, e.priority, e.order_offset, e.on_crash, e.handlers, e.accepted_at, e.replays, e.original_payload, e.edited_by,
        r.reason as why, r.progress, coalesce(r.error, e.error) as error, coalesce(e.first_failed_at, r.failed_at) as first_failed_at),
    delta as materialized (
      select lane, 0 as waiting, -count(*) as held, 0 as retrying, null::float8 as head
      from settled where lane is not null group by lane),
    ${applyDelta(db)},
    ${insertLetters(db)},
    ${keepKeys(db, 'dead', undefined)}
    select s.key::text as key, ${overtaken(db)} as overtaken from settled s`
}

/** Makes dead letters of the CTE `settled` (columns of events, and `why`), in the order of their keys. */
export const insertLetters = (db: Database): RawBuilder<unknown> => sql`
  letters as (
    insert into ${db.deadLetters} (
      reason, dead_at, worker, kind, id, type, version, session_id, payload, headers, lane, serial, priority, order_offset, on_crash,
      idempotency_key, handlers, progress, error, accepted_at, first_failed_at, replays, original_payload, edited_by)
    select
      s.why, ${NOW}, coalesce(w.host || ':' || w.pid || ' ' || w.name, 'unknown'),
      s.kind, s.id, s.type, s.version, s.session_id, s.payload, s.headers, s.lane, s.serial, s.priority, s.order_offset, s.on_crash,
      s.idempotency_key, s.handlers, s.progress, s.error, s.accepted_at, coalesce(s.first_failed_at, ${NOW}), s.replays,
      s.original_payload, s.edited_by
    from settled s left join ${db.workers} w on w.worker = s.worker
    order by s.key)`
