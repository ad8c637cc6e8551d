import type { DeadLetter, DeadLetterQuery, DeadLetterStore, NewDeadLetter, Page } from '@buslane/core'
import { sql } from 'kysely'
import { begunAnew, hasDone } from './begin-anew.ts'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { isKey } from './ids.ts'
import { messageOf } from './message-row.ts'
import { allOf, pageRequest, toPage } from './paging.ts'
import { errorOf, progressOf } from './progress.ts'
import type { DeadLettersTable } from './tables.ts'

type LetterRow = Omit<DeadLettersTable, 'key' | 'serial' | 'order_offset' | 'handlers' | 'first_failed_at'> & {
  readonly key: string
  readonly first_failed_at: number
}

/** The dead letters of a schema. Events come here by the event store, which moves them in one transaction. */
export const createDeadLetters = (context: StoreContext): DeadLetterStore => {
  const { db, config } = context
  /** bigints as numbers: all of them are times. */
  const columns = sql`key::text as key, reason, dead_at::float8 as dead_at, worker, kind, id, type, version, session_id,
    payload, headers, lane, priority, on_crash, idempotency_key, progress, error, accepted_at::float8 as accepted_at,
    first_failed_at::float8 as first_failed_at, replays, original_payload, edited_by`
  return {
    contract: 'dead-letter-store/1',
    durable: true,

    async add({ message, reason, lane, priority, progress, error, worker, handlers }: NewDeadLetter): Promise<string> {
      const { kind, id, type, version, sessionId, payload, headers } = message
      const [row] = await db.run(sql<{ key: string }>`
        insert into ${db.deadLetters} (
          reason, dead_at, worker, kind, id, type, version, session_id, payload, headers, lane, serial, priority,
          order_offset, on_crash, handlers, progress, error, accepted_at, first_failed_at)
        values (${reason}, ${NOW}, ${worker}, ${kind}, ${id}, ${type}, ${version}::int, ${sessionId}, ${payload}, ${headers},
          ${lane ?? null}, false, ${priority}::float8, 0, 'retry', ${handlers ? JSON.stringify(handlers) : null},
          ${JSON.stringify(progress)},
          ${error ? JSON.stringify(error) : null}, ${NOW}, ${NOW})
        returning key::text as key`)
      return row!.key
    },

    /** Index: the primary key, from the cursor on; `dead_letters_reason` where a reason is given. */
    async list(query: DeadLetterQuery = {}): Promise<Page<DeadLetter>> {
      const page = pageRequest(query)
      const { type, reason, sessionId, since, until } = query
      const rows = await db.run(sql<LetterRow>`
        select ${columns} from ${db.deadLetters} d
        where ${allOf([
          sql`key > ${page.after}::bigint`,
          type !== undefined && sql`type = ${type}`,
          reason !== undefined && sql`reason = ${reason}`,
          sessionId !== undefined && sql`session_id = ${sessionId}`,
          since !== undefined && sql`dead_at >= ${Math.ceil(since)}::bigint`,
          until !== undefined && sql`dead_at < ${Math.ceil(until)}::bigint`,
        ])}
        order by d.key limit ${page.limit + 1}::int`)
      return toPage(rows, page, letterOf)
    },

    async get(key) {
      if (!isKey(key)) return undefined
      const [row] = await db.run(sql<LetterRow>`
        select ${columns} from ${db.deadLetters} where key = ${key}::bigint`)
      return row && letterOf(row)
    },

    async count() {
      const rows = await db.run(sql<{ reason: string; count: number }>`
        select reason, count(*)::int as count from ${db.deadLetters} group by reason`)
      return Object.fromEntries(rows.map(({ reason, count }) => [reason, count]))
    },

    /**
     * One statement: whoever deletes the letter makes the event, so of two operators one finds it gone, and a crash leaves
     * exactly one of the two. Under a new key, which no lease of its former life can fit. It waits as what is due and enters its lane
     * when it is made ready, as everything that is stored without a lock on the lane. Index: the primary key.
     */
    async replay(key, edit) {
      if (!isKey(key)) return 'gone'
      const rows = await db.run(sql`
        with letter as (delete from ${db.deadLetters} where key = ${key}::bigint returning *),
        fresh as (
          select l.*, ${begunAnew(sql`l.progress`)} as new_progress, ${hasDone(sql`l.progress`)} as begun from letter l),
        kept_key as (
          update ${db.idempotency} set outcome = null, expires_at = null
          where key in (select idempotency_key from letter where idempotency_key is not null))
        insert into ${db.events} (
          state, kind, id, type, version, session_id, payload, headers, lane, serial, priority, order_offset, order_key,
          base_at, due_at, begun, on_crash, idempotency_key, handlers, progress, accepted_at, first_failed_at, replays,
          original_payload, edited_by)
        select
          'scheduled', kind, id, type, version, session_id, ${edit ? sql`${edit.payload}` : sql`payload`}, headers, lane, serial,
          priority, order_offset, case when order_offset is null then priority else ${NOW}::float8 + order_offset end,
          ${NOW}, ${NOW}, begun, on_crash, idempotency_key, handlers, new_progress, accepted_at, first_failed_at, replays + 1,
          ${edit ? sql`coalesce(original_payload, payload)` : sql`original_payload`},
          ${edit ? sql`${edit.by}` : sql`edited_by`}
        from fresh returning key`)
      if (rows.length === 0) return 'gone'
      context.hint()
      return 'replayed'
    },

    /** Index: the primary key. The idempotency key is kept for as long as that of an event that was handled. */
    async discard(keys) {
      const [row] = await db.run(sql<{ count: number }>`
        with letters as (
          delete from ${db.deadLetters} where key = any(${keys.filter((key) => isKey(key))}::bigint[])
          returning idempotency_key),
        released as (
          update ${db.idempotency} set outcome = 'discarded', expires_at = ${NOW} + ${Math.ceil(config.idempotencyRetentionMs)}::bigint
          where key in (select idempotency_key from letters where idempotency_key is not null))
        select count(*)::int as count from letters`)
      return row?.count ?? 0
    },
  }
}

const letterOf = (row: LetterRow): DeadLetter => ({
  key: row.key,
  message: messageOf(row),
  reason: row.reason,
  lane: row.lane ?? undefined,
  priority: row.priority,
  onCrash: row.on_crash,
  idempotencyKey: row.idempotency_key ?? undefined,
  progress: progressOf(row.progress),
  error: errorOf(row.error),
  acceptedAt: row.accepted_at,
  firstFailedAt: row.first_failed_at,
  deadAt: row.dead_at,
  replays: row.replays,
  worker: row.worker,
  edited:
    row.original_payload === null || row.edited_by === null
      ? undefined
      : { payload: row.original_payload, by: row.edited_by },
})
