import type { EventLog, LoggedEvent, Page, StoredMessage } from '@buslane/core'
import { sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { allOf, pageRequest, toPage } from './paging.ts'
import type { EventLogTable } from './tables.ts'

type LogRow = Omit<EventLogTable, 'position'> & { readonly key: string }

const PURGE_BATCH = 1000

/** The event log of a schema. Stored events are written to it by the append, in the same commit. */
export const createEventLog = ({ db, config }: StoreContext, records: (type: string) => boolean): EventLog => ({
  contract: 'event-log/1',
  records,

  async write(messages: readonly StoredMessage[]): Promise<void> {
    if (messages.length === 0) return
    const column = (name: keyof StoredMessage): readonly unknown[] => messages.map((message) => message[name])
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
        config.logMaxAgeMs !== undefined && sql`logged_at >= ${NOW} - ${Math.ceil(config.logMaxAgeMs)}::bigint`,
      ])}
      order by position limit ${page.limit + 1}::int`)
    return toPage(rows, page, (row) => ({
      position: row.key,
      message: {
        kind: row.kind,
        id: row.id,
        type: row.type,
        version: row.version,
        sessionId: row.session_id,
        payload: row.payload,
        headers: row.headers,
      },
      loggedAt: row.logged_at,
    }))
  },
})

/**
 * Forgets what is older, or more, than the log keeps: at most one batch a call, since a sweep comes again. Positions rise with time, so the
 * oldest are the first of the primary key.
 */
export const purgeLog = async ({ db, config }: StoreContext): Promise<void> => {
  const { logMaxAgeMs, logMaxCount } = config
  if (config.logs === undefined || (logMaxAgeMs === undefined && logMaxCount === undefined)) return
  const tooOld = logMaxAgeMs !== undefined && sql`logged_at < ${NOW} - ${Math.ceil(logMaxAgeMs)}::bigint`
  const tooMany =
    logMaxCount !== undefined &&
    sql`position <= (select position from ${db.eventLog} order by position desc offset ${logMaxCount}::bigint limit 1)`
  const conditions = [tooOld, tooMany].filter((condition) => condition !== false)
  await db.run(sql`
    delete from ${db.eventLog} where position = any(array(
      select position from ${db.eventLog} where ${sql.join(conditions, sql` or `)}
      order by position limit ${PURGE_BATCH}::int for update skip locked))`)
}
