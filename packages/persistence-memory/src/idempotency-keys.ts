import { LazyHeap } from './lazy-heap.ts'
import type { MemoryTransaction } from './transaction.ts'

/** What is kept of a key that was used. */
export interface KeyRecord {
  readonly key: string
  /** The id of the event that used it. */
  readonly id: string
  /** `stored` while the event is in the store, else what became of it. */
  readonly outcome: 'stored' | 'completed' | 'dead'
  /** Whether the event, or its dead letter, still exists: the record lasts at least as long. */
  readonly inUse: boolean
  /** Until when it is kept if the event is gone: epoch ms. */
  readonly until: number
}

/** Which idempotency keys were used, by what. */
export class IdempotencyKeys {
  readonly #retentionMs: number
  readonly #records = new Map<string, KeyRecord>()
  /** Keys of transactions that have not ended. */
  readonly #reserved = new Map<string, { readonly id: string; readonly transaction: MemoryTransaction }>()
  readonly #leaving = new LazyHeap<KeyRecord>(
    (a, b) => (a.until === b.until ? a.key < b.key : a.until < b.until),
    (record) => this.#records.get(record.key) === record,
  )

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
  }

  /** The id of the event that used the key. */
  userOf(key: string, now: number): string | undefined {
    const record = this.#records.get(key)
    return record && (record.inUse || record.until > now) ? record.id : undefined
  }

  use(key: string | undefined, id: string): void {
    if (key !== undefined) this.#records.set(key, { key, id, outcome: 'stored', inUse: true, until: 0 })
  }

  /** As if it had never been used. */
  free(key: string | undefined): void {
    if (key !== undefined) this.#records.delete(key)
  }

  /** The event is gone; the record stays for the retention. */
  completed(key: string | undefined, now: number): void {
    const record = this.#recordOf(key)
    if (record) this.#leave({ ...record, outcome: 'completed', inUse: false, until: this.#until(now) })
  }

  /** The event is a dead letter now; the record stays for the retention, and as long as the letter exists. */
  died(key: string | undefined, now: number): void {
    const record = this.#recordOf(key)
    if (record) this.#records.set(record.key, { ...record, outcome: 'dead', until: this.#until(now) })
  }

  /** The dead letter was discarded. */
  discarded(key: string | undefined): void {
    const record = this.#recordOf(key)
    if (record) this.#leave({ ...record, inUse: false })
  }

  /** Forgets what has been kept long enough. */
  purge(now: number): void {
    for (let next = this.#leaving.peek(); next && next.until <= now; next = this.#leaving.peek()) {
      this.#records.delete(next.key)
    }
  }

  /** Keeps the key for a transaction: whoever wants it waits until that has ended, as a unique index makes him. */
  reserve(key: string, id: string, transaction: MemoryTransaction): void {
    this.#reserved.set(key, { id, transaction })
  }

  unreserve(key: string | undefined): void {
    if (key !== undefined) this.#reserved.delete(key)
  }

  reservationOf(key: string | undefined): { readonly id: string; readonly transaction: MemoryTransaction } | undefined {
    return key === undefined ? undefined : this.#reserved.get(key)
  }

  [Symbol.iterator](): MapIterator<KeyRecord> {
    return this.#records.values()
  }

  /** Replaces all records. Reservations go with their transactions. */
  restore(records: readonly KeyRecord[]): void {
    this.#records.clear()
    for (const record of records) {
      if (record.inUse) this.#records.set(record.key, record)
      else this.#leave(record)
    }
  }

  #recordOf(key: string | undefined): KeyRecord | undefined {
    return key === undefined ? undefined : this.#records.get(key)
  }

  /** A number that JSON has, also if they are kept for ever. */
  #until(now: number): number {
    return Math.min(now + this.#retentionMs, Number.MAX_SAFE_INTEGER)
  }

  #leave(record: KeyRecord): void {
    this.#records.set(record.key, record)
    this.#leaving.push(record)
  }
}
