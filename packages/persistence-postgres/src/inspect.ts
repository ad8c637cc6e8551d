import type { Inspectable, Page, StoreCounts, StoredEvent, StoredEventQuery } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { isKey } from './ids.ts'
import { cancel, reschedule, retryNow } from './move.ts'
import { messageOf } from './message-row.ts'
import { allOf, pageRequest, toPage } from './paging.ts'
import { errorOf, progressOf } from './progress.ts'
import type { EventsTable } from './tables.ts'

type EventRow = Pick<
  EventsTable,
  | 'kind'
  | 'id'
  | 'type'
  | 'version'
  | 'payload'
  | 'headers'
  | 'session_id'
  | 'lane'
  | 'priority'
  | 'accepted_at'
  | 'due_at'
  | 'started'
  | 'unreported'
  | 'interruptions'
  | 'progress'
  | 'error'
  | 'worker'
  | 'replays'
> & { readonly key: string; readonly shown_state: StoredEvent['state'] }

/**
 * What people are shown of the state. What was stored in a transaction, replayed, or made ready by a person waits as what is due until
 * somebody makes it ready: it is ready all the same.
 */
const SHOWN_STATE: RawBuilder<unknown> = sql`
  case when state not in ('scheduled', 'retrying') then state when due_at <= ${NOW} then 'ready' else 'scheduled' end`

/** Shows people what is in a schema, and moves it for them. */
export const createInspect = (context: StoreContext): Inspectable => {
  const { db } = context
  const columns = sql`key::text as key, ${SHOWN_STATE} as shown_state, kind, id, type, version, payload, headers, session_id,
    lane, priority, accepted_at::float8 as accepted_at, due_at::float8 as due_at, started, unreported, interruptions, progress,
    error, worker, replays`
  return {
    /** Reads every event: for people, not for a loop. */
    async counts(): Promise<StoreCounts> {
      const [row] = await db.run(sql<{
        readonly states: Readonly<Record<string, number>> | null
        readonly dead_letters: number
        readonly oldest: number
        readonly stuck: number
        readonly workers: number
      }>`
        select
          (select json_object_agg(shown_state, n) from (
            select ${SHOWN_STATE} as shown_state, count(*)::int as n from ${db.events} group by 1) s) as states,
          (select count(*)::int from ${db.deadLetters}) as dead_letters,
          (select coalesce(max(${NOW} - due_at), 0)::float8 from ${db.events}
            where state in ('ready', 'scheduled', 'retrying') and due_at <= ${NOW}) as oldest,
          (select count(*)::int from ${db.events} e where e.state = 'running' and not exists (
            select from ${db.workers} w where w.worker = e.worker and w.dead_at is null and w.lease_until >= ${NOW})) as stuck,
          (select count(*)::int from ${db.workers} where dead_at is null and lease_until >= ${NOW}) as workers`)
      const { states, dead_letters: deadLetters, oldest, stuck, workers } = row!
      const count = (state: StoredEvent['state']): number => states?.[state] ?? 0
      return {
        scheduled: count('scheduled'),
        ready: count('ready'),
        running: count('running'),
        unhandled: count('unhandled'),
        undecodable: count('undecodable'),
        dead: count('dead'),
        deadLetters,
        oldestReadyMs: Math.max(0, oldest),
        stuck,
        workers,
      }
    },

    /** Index: the primary key, from the cursor on. */
    async list(query: StoredEventQuery = {}): Promise<Page<StoredEvent>> {
      const page = pageRequest(query)
      const { state, type, sessionId } = query
      const rows = await db.run(sql<EventRow>`
        select ${columns} from ${db.events} e
        where ${allOf([
          sql`key > ${page.after}::bigint`,
          state !== undefined && sql`${SHOWN_STATE} = ${state}`,
          type !== undefined && sql`type = ${type}`,
          sessionId !== undefined && sql`session_id = ${sessionId}`,
        ])}
        order by e.key limit ${page.limit + 1}::int`)
      return toPage(rows, page, eventOf)
    },

    async get(key) {
      if (!isKey(key)) return undefined
      const [row] = await db.run(sql<EventRow>`select ${columns} from ${db.events} where key = ${key}::bigint`)
      return row && eventOf(row)
    },

    cancel: (key) => cancel(context, key, { dead: true }),
    async reschedule(key, due) {
      const answer = await reschedule(context, key, due)
      context.hint()
      return answer
    },
    async retryNow(key) {
      const answer = await retryNow(context, key)
      context.hint()
      return answer
    },
  }
}

const eventOf = (row: EventRow): StoredEvent => ({
  key: row.key,
  state: row.shown_state,
  message: messageOf(row),
  lane: row.lane ?? undefined,
  priority: row.priority,
  acceptedAt: row.accepted_at,
  dueAt: row.due_at,
  started: row.started,
  unreported: row.unreported,
  interruptions: row.interruptions,
  progress: progressOf(row.progress),
  error: errorOf(row.error),
  worker: row.worker ?? undefined,
  replays: row.replays,
})
