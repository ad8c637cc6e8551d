import type { StoredMessage } from '@buslane/core'
import { type Numbered, OrderedEntries } from './ordered-entries.ts'

/** What is logged, and for how long it is kept. */
export interface LogOptions {
  /** `undefined`: every type. */
  readonly types: ReadonlySet<string> | undefined
  readonly maxCount: number
  readonly maxAgeMs: number
}

/** One logged event. */
export interface LogRow extends Numbered {
  readonly message: StoredMessage
  readonly loggedAt: number
}

/** The log: the newest events that its limits let it keep. */
export class LogTable {
  readonly rows: OrderedEntries<LogRow> = new OrderedEntries()
  readonly #options: LogOptions

  constructor(options: LogOptions) {
    this.#options = options
  }

  records(type: string): boolean {
    return this.#options.types?.has(type) ?? true
  }

  /** Writes it, if events of its type are recorded. */
  add(message: StoredMessage, seq: number, loggedAt: number): void {
    if (message.kind !== 'event' || !this.records(message.type)) return
    this.rows.add({ seq, key: String(seq), message, loggedAt })
    this.purge(loggedAt)
  }

  purge(now: number): void {
    const { maxCount, maxAgeMs } = this.#options
    for (let oldest = this.rows.first; oldest; oldest = this.rows.first) {
      if (this.rows.size <= maxCount && now - oldest.loggedAt <= maxAgeMs) return
      this.rows.delete(oldest.key)
    }
  }

  restore(rows: readonly LogRow[]): void {
    this.rows.clear()
    for (const row of rows) this.rows.add(row)
  }
}
