import type { EventMessage, Page, StoredMessage } from '@buslane/core'
import type { ApprovalRecord } from './record.ts'

/** An approval as it was when it was read. */
export interface Kept {
  readonly record: ApprovalRecord
  readonly revision: number
  /** Epoch milliseconds of the keeper's clock, as below. */
  readonly addedAt: number
  readonly readAt: number
  /** Its time is over, whether somebody has noticed or not. */
  readonly isOverdue: boolean
}

/** What follows from a change, and happens if and only if the change does. */
export type Consequence =
  /** It expires after so long, unless somebody decides. */
  | { readonly is: 'expire'; readonly approvalId: string; readonly afterMs: number }
  /** The command runs. */
  | { readonly is: 'run'; readonly command: StoredMessage }
  | { readonly is: 'tell'; readonly event: EventMessage }

/** Which approvals. What is left out says nothing. */
export interface KeptQuery {
  readonly status?: string | undefined
  readonly type?: string | undefined
  readonly sessionId?: string | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

/** Where approvals are kept: in a store, or in memory. Changes are compare-and-set, with all that follows from them. */
export interface Keeper {
  readonly isDurable: boolean
  add(record: ApprovalRecord, then: readonly Consequence[]): Promise<'added' | 'exists'>
  get(id: string): Promise<Kept | undefined>
  list(query: KeptQuery): Promise<Page<Kept>>
  /** Whether it was still as it was when `kept` was read. */
  update(kept: Kept, record: ApprovalRecord, then: readonly Consequence[]): Promise<boolean>
  discard(kept: Kept): Promise<boolean>
  /** How often who waits for one that is changed elsewhere looks again, in milliseconds; `undefined`: nothing changes elsewhere. */
  readonly lookEveryMs: number | undefined
  onHint(listener: () => void): Disposable
  start(): void
  stop(): Promise<void>
}
