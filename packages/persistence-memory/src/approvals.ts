import type { ApprovalQuery, ApprovalStore, NewApproval, NewEvent, Page, StoredApproval } from '@buslane/core'
import { append } from './append.ts'
import type { ApprovalRow } from './approval-table.ts'
import type { Database } from './database.ts'
import { mapPage } from './ordered-entries.ts'

type At = Pick<StoredApproval, 'id' | 'revision'>

/** The approvals of a database in memory. */
export class MemoryApprovals implements ApprovalStore {
  readonly contract = 'approval-store/1'
  readonly durable = false
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  add({ id, status, type, sessionId, record }: NewApproval, then: readonly NewEvent[]): Promise<'added' | 'exists'> {
    return this.#db.run(() => {
      const { approvals, now } = this.#db
      if (approvals.get(id)) return 'exists'
      const seq = this.#db.nextSeq()
      const approval = { id, revision: 1, status, type, sessionId, record, addedAt: now, updatedAt: now }
      approvals.put({ seq, key: String(seq), approval })
      this.#follow(then)
      return 'added'
    })
  }

  get(id: string): Promise<StoredApproval | undefined> {
    return this.#db.run(() => {
      const row = this.#db.approvals.get(id)
      return row && this.#read(row)
    })
  }

  list(query: ApprovalQuery = {}): Promise<Page<StoredApproval>> {
    return this.#db.run(() => {
      const page = this.#db.approvals.rows.page(query, ({ approval }) => matches(approval, query))
      return mapPage(page, (row) => this.#read(row))
    })
  }

  update(
    at: At,
    { status, record }: Pick<StoredApproval, 'status' | 'record'>,
    then: readonly NewEvent[],
  ): Promise<'updated' | 'stale'> {
    return this.#db.run(() => {
      const row = this.#find(at)
      if (!row) return 'stale'
      const { approval } = row
      const revision = approval.revision + 1
      this.#db.approvals.put({ ...row, approval: { ...approval, revision, status, record, updatedAt: this.#db.now } })
      this.#follow(then)
      return 'updated'
    })
  }

  discard(at: At): Promise<'discarded' | 'stale'> {
    return this.#db.run(() => {
      if (!this.#find(at)) return 'stale'
      this.#db.approvals.delete(at.id)
      return 'discarded'
    })
  }

  onHint(listener: () => void): Disposable {
    return this.#db.hints.listen(listener)
  }

  #find({ id, revision }: At): ApprovalRow | undefined {
    const row = this.#db.approvals.get(id)
    return row?.approval.revision === revision ? row : undefined
  }

  #follow(then: readonly NewEvent[]): void {
    append(this.#db, then, undefined)
    this.#db.hints.give()
  }

  #read({ approval }: ApprovalRow): StoredApproval {
    return { ...approval, readAt: this.#db.now }
  }
}

const matches = (approval: ApprovalRow['approval'], { status, type, sessionId }: ApprovalQuery): boolean =>
  (status === undefined || approval.status === status) &&
  (type === undefined || approval.type === type) &&
  (sessionId === undefined || approval.sessionId === sessionId)
