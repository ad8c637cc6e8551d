import type { DeadLetter, DeadReason } from '@buslane/core'
import { type Numbered, OrderedEntries } from './ordered-entries.ts'

/** A dead letter, and what its event needs beyond it when it is replayed. */
export interface LetterRow extends Numbered {
  readonly letter: DeadLetter
  readonly serial: boolean
  readonly orderOffsetMs: number | undefined
  readonly handlers: readonly string[] | undefined
}

/** The dead letters, and how many there are of each reason. */
export class LetterTable {
  readonly rows: OrderedEntries<LetterRow> = new OrderedEntries()
  readonly #counts = new Map<DeadReason, number>()

  add(row: LetterRow): void {
    this.rows.add(row)
    this.#count(row, 1)
  }

  delete(row: LetterRow): void {
    if (this.rows.delete(row.key)) this.#count(row, -1)
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  restore(rows: readonly LetterRow[]): void {
    this.rows.clear()
    this.#counts.clear()
    for (const row of rows) this.add(row)
  }

  #count({ letter: { reason } }: LetterRow, by: number): void {
    const count = (this.#counts.get(reason) ?? 0) + by
    if (count > 0) this.#counts.set(reason, count)
    else this.#counts.delete(reason)
  }
}
