import {
  BusError,
  type ApprovalQuery,
  type ApprovalStore,
  type EventStore,
  type NewEvent,
  type StoredApproval,
} from '@buslane/core'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { appendIn } from './append.ts'
import type { StoreContext } from './context.ts'
import { NOW } from './database.ts'
import { retrying, storeError } from './errors.ts'
import { allOf, pageRequest, toPage } from './paging.ts'
import type { ApprovalsTable } from './tables.ts'

type Row = Omit<ApprovalsTable, 'key'> & { readonly key: string; readonly read_at: number }

/** Longer ones do not fit an index page. */
const MAX_ID_BYTES = 1024

/** The approvals of a schema. What follows from one is appended in the transaction that changes it. */
export const createApprovals = (context: StoreContext, events: Pick<EventStore, 'onHint'>): ApprovalStore => {
  const { db } = context
  const columns = sql`key::text as key, id, revision, status, type, session_id, record, added_at::float8 as added_at,
    updated_at::float8 as updated_at, ${NOW}::float8 as read_at`

  /** Whether `change` changed a row: then, and only then, the events are stored with it. */
  const changed = async (change: RawBuilder<unknown>, then: readonly NewEvent[]): Promise<boolean> => {
    const isChanged =
      then.length === 0
        ? (await db.run(change)).length > 0
        : await inTransaction(context, async (transaction) => {
            const { rows } = await change.execute(transaction)
            if (rows.length === 0) return false
            for (const event of then) await appendIn(context, transaction, event)
            return true
          })
    // Who waits for an approval in another process looks again, also where no event follows from the change.
    if (isChanged) context.hint()
    return isChanged
  }

  return {
    contract: 'approval-store/1',
    durable: true,

    /** The primary key makes the second of two who add one id wait for the first, and then find it there. */
    async add({ id, status, type, sessionId, record }, then) {
      if (Buffer.byteLength(id) > MAX_ID_BYTES) {
        throw new BusError('INVALID_ARGUMENT', `The id of an approval has more than ${MAX_ID_BYTES} bytes`)
      }
      const isAdded = await changed(
        sql`insert into ${db.approvals} (id, revision, status, type, session_id, record, added_at, updated_at)
          values (${id}, 1, ${status}, ${type}, ${sessionId}, ${record}, ${NOW}, ${NOW})
          on conflict (id) do nothing returning id`,
        then,
      )
      return isAdded ? 'added' : 'exists'
    },

    /** Index: the primary key. */
    async get(id) {
      const [row] = await db.run(sql<Row>`select ${columns} from ${db.approvals} where id = ${id}`)
      return row && approvalOf(row)
    },

    /** Index: that of the key, from the cursor on; `approvals_status` where a status is given. */
    async list(query: ApprovalQuery = {}) {
      const page = pageRequest(query)
      const { status, type, sessionId } = query
      const rows = await db.run(sql<Row>`
        select ${columns} from ${db.approvals} a
        where ${allOf([
          sql`a.key > ${page.after}::bigint`,
          status !== undefined && sql`status = ${status}`,
          type !== undefined && sql`type = ${type}`,
          sessionId !== undefined && sql`session_id = ${sessionId}`,
        ])}
        order by a.key limit ${page.limit + 1}::int`)
      return toPage(rows, page, approvalOf)
    },

    /**
     * The row is locked before its revision is looked at: of two who update one revision the second waits for the first, and then
     * finds another revision. Index: the primary key.
     */
    async update({ id, revision }, { status, record }, then) {
      const isUpdated = await changed(
        sql`update ${db.approvals} set revision = revision + 1, status = ${status}, record = ${record}, updated_at = ${NOW}
          where id = ${id} and revision = ${revision}::int returning id`,
        then,
      )
      return isUpdated ? 'updated' : 'stale'
    },

    /** Index: the primary key. */
    async discard({ id, revision }) {
      const rows = await db.run(
        sql`delete from ${db.approvals} where id = ${id} and revision = ${revision}::int returning id`,
      )
      return rows.length > 0 ? 'discarded' : 'stale'
    },

    ...(events.onHint && { onHint: (listener: () => void) => events.onHint!(listener) }),
  }
}

const inTransaction = async <Value>(
  { db }: StoreContext,
  work: (transaction: Kysely<unknown>) => Promise<Value>,
): Promise<Value> => {
  try {
    // Whatever the database's default is: with repeatable reads the loser of a race would get an error in place of an answer.
    return await retrying(() =>
      db.kysely
        .transaction()
        .setIsolationLevel('read committed')
        .execute(work as never),
    )
  } catch (error) {
    throw storeError(error)
  }
}

const approvalOf = (row: Row): StoredApproval => ({
  id: row.id,
  revision: row.revision,
  status: row.status,
  type: row.type,
  sessionId: row.session_id,
  record: row.record,
  addedAt: row.added_at,
  updatedAt: row.updated_at,
  readAt: row.read_at,
})
