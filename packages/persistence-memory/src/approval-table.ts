import type { StoredApproval } from '@buslane/core'
import { type Numbered, OrderedEntries } from './ordered-entries.ts'

/** An approval with its place in the order. */
export interface ApprovalRow extends Numbered {
  readonly approval: Omit<StoredApproval, 'readAt'>
}

/** The approvals, by their ids, and in the order in which they were added. */
export class ApprovalTable {
  readonly rows: OrderedEntries<ApprovalRow> = new OrderedEntries()
  readonly #byId = new Map<string, ApprovalRow>()

  get(id: string): ApprovalRow | undefined {
    return this.#byId.get(id)
  }

  /** Adds it, or puts it in the place of the one with its number. */
  put(row: ApprovalRow): void {
    this.delete(row.approval.id)
    this.rows.add(row)
    this.#byId.set(row.approval.id, row)
  }

  delete(id: string): void {
    const row = this.#byId.get(id)
    if (!row) return
    this.#byId.delete(id)
    this.rows.delete(row.key)
  }

  restore(rows: readonly ApprovalRow[]): void {
    this.rows.clear()
    this.#byId.clear()
    for (const row of rows) this.put(row)
  }
}
