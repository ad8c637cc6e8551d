import type { Lease, Progress, StoredError } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { type Database, NOW } from './database.ts'
import { applyDelta } from './lanes.ts'
import {
  errorText,
  keepKeys,
  keyIn,
  findOvertaken,
  IS_OVERTAKEN,
  mergeProgress,
  type ReportedRow,
  selectReported,
} from './report-statement.ts'

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
  // By key: token, reason, progress, error.
  const byKey = Object.fromEntries(
    burials.map(({ key, token, reason, progress, error }) => [
      key,
      [token, reason, JSON.stringify(progress), error ? errorText(error) : null],
    ]),
  )
  const burial = (field: number): RawBuilder<string> => sql`(r.by_key -> e.key::text ->> ${sql.lit(field)})`
  return sql<ReportedRow>`
    with settled as (
      delete from ${db.events} e
      using (select ${JSON.stringify(byKey)}::jsonb as by_key) r
      where ${keyIn(burials.map(({ key }) => key))} and e.token = ${burial(0)}::uuid
      returning e.key, e.lane, e.worker, e.idempotency_key, e.kind, e.id, e.type, e.version, e.session_id, e.payload, e.headers,
        e.serial, e.priority, e.order_offset, e.on_crash, e.handlers, e.accepted_at, e.replays, e.original_payload, e.edited_by,
        ${burial(1)} as why, ${mergeProgress(burial(2))} as progress, coalesce(${burial(3)}, e.error) as error,
        coalesce(e.first_failed_at, ${NOW}) as first_failed_at),
    delta as materialized (
      select lane, 0 as waiting, -count(*) as held, 0 as retrying, null::float8 as head
      from settled where lane is not null group by lane),
    ${applyDelta(db)},
    ${findOvertaken(db)},
    ${insertLetters(db)},
    ${keepKeys(db, 'dead', undefined)}
    ${selectReported(IS_OVERTAKEN)}`
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
