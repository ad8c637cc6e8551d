import type { EventLog, LoggedEvent, Page, StoredMessage } from '@buslane/core'
import { sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { messageOf } from './message-row.ts'
import { allOf, pageRequest, toPage } from './paging.ts'
import type { EventLogTable } from './tables.ts'

type LogRow = Omit<EventLogTable, 'position'> & { readonly key: string }

const PURGE_BATCH = 1000
/** One sweep forgets at most so many batches: the next goes on. */
const MAX_PURGES = 20

/** The event log of a schema. Stored events are written to it by the append, in the same commit. */
export const createEventLog = ({ db, config }: StoreContext, records: (type: string) => boolean): EventLog => ({
  contract: 'event-log/1',
  records,

  async write(messages: readonly StoredMessage[]): Promise<void> {
    const wanted = messages.filter(({ kind, type }) => kind === 'event' && records(type))
    if (wanted.length === 0) return
    const column = (name: keyof StoredMessage): readonly unknown[] => wanted.map((message) => message[name])
    await db.run(sql`
      insert into ${db.eventLog} (logged_at, kind, id, type, version, session_id, payload, headers)
      select ${NOW}, m.* from unnest(
        ${column('kind')}::text[], ${column('id')}::text[], ${column('type')}::text[], ${column('version')}::int[],
        ${column('sessionId')}::text[], ${column('payload')}::text[], ${column('headers')}::text[]) m`)
  },

  /** Index: the primary key, from the cursor on. */
  async read(query = {}): Promise<Page<LoggedEvent>> {
    const page = pageRequest(query)
    const { type, sessionId } = query
    const rows = await db.run(sql<LogRow>`
      select position::text as key, logged_at::float8 as logged_at, kind, id, type, version, session_id, payload, headers
      from ${db.eventLog}
      where ${allOf([
        sql`position > ${page.after}::bigint`,
        type !== undefined && sql`type = ${type}`,
        sessionId !== undefined && sql`session_id = ${sessionId}`,
        config.logMaxAgeMs < Infinity && sql`logged_at >= ${NOW} - ${config.logMaxAgeMs}::bigint`,
      ])}
      order by position limit ${page.limit + 1}::int`)
    return toPage(rows, page, (row) => ({
      position: row.key,
      message: messageOf(row),
      loggedAt: row.logged_at,
    }))
  },
})

/**
 * Forgets what is older, or more, than the log keeps. Positions rise with time, so what has to go is at the beginning of the
 * primary key: each batch looks at its first entries only, behind those that the batch before has deleted.
 */
export const purgeLog = async (context: StoreContext): Promise<void> => {
  const { db, config } = context
  const { logs, logMaxAgeMs, logMaxCount } = config
  if (logs === undefined || (logMaxAgeMs === Infinity && logMaxCount === Infinity)) return
  const tooMany = sql`o.position <= ${await lastTooMany(context)}::bigint`
  const tooOld = sql`o.logged_at < ${NOW} - ${logMaxAgeMs}::bigint`
  const mustGo = logMaxAgeMs === Infinity ? tooMany : sql`(${tooMany} or ${tooOld})`
  let after = '0'
  for (let batch = 0; batch < MAX_PURGES; batch++) {
    const [row] = await db.run(sql<{ readonly count: number; readonly last: string | null }>`
      with gone as (
        delete from ${db.eventLog}
        where position = any(array(
          select o.position from (
            select position, logged_at from ${db.eventLog} where position > ${after}::bigint
            order by position limit ${PURGE_BATCH}::int) o
          where ${mustGo}))
        returning position)
      select count(*)::int as count, max(position)::text as last from gone`)
    if (!row?.last || row.count < PURGE_BATCH) return
    after = row.last
  }
}

/**
 * The last position that is one too many; 0 if none is. Counting reads an index entry for each that is kept, so it is done only when
 * the first and the last position, which cost nothing, say that there may be one in a hundred more.
 */
const lastTooMany = async ({ db, config: { logMaxCount } }: StoreContext): Promise<string> => {
  if (logMaxCount === Infinity) return '0'
  const [row] = await db.run(sql<{ readonly last: string | null }>`
    select case when max(position) - min(position) >= ${logMaxCount + Math.floor(logMaxCount / 100)}::bigint then (
      select position from ${db.eventLog} order by position desc offset ${logMaxCount}::bigint limit 1)
    end::text as last
    from ${db.eventLog}`)
  return row?.last ?? '0'
}
