import type { Clock } from '@buslane/core'
import { ApprovalTable } from './approval-table.ts'
import { transactionLost } from './errors.ts'
import { EventTable } from './event-table.ts'
import { Hints } from './hints.ts'
import { IdempotencyKeys } from './idempotency-keys.ts'
import { LetterTable } from './letter-table.ts'
import { LogTable, type LogOptions } from './log-table.ts'
import type { Effect, MemoryTransaction } from './transaction.ts'

/** How a database is made. */
export interface DatabaseOptions {
  readonly clock: Clock
  readonly leaseMs: number
  readonly idempotencyRetentionMs: number
  readonly deadLetters: boolean
  /** `undefined`: there is no log. */
  readonly log: LogOptions | undefined
}

/** Everything that the parts of one persistence share. */
export class Database {
  readonly leaseMs: number
  readonly keys: IdempotencyKeys
  readonly letters: LetterTable | undefined
  readonly log: LogTable | undefined
  readonly approvals: ApprovalTable = new ApprovalTable()
  readonly hints: Hints = new Hints()
  events: EventTable = new EventTable()
  #nextSeq = 1
  readonly #clock: Clock

  constructor({ clock, leaseMs, idempotencyRetentionMs, deadLetters, log }: DatabaseOptions) {
    this.#clock = clock
    this.leaseMs = leaseMs
    this.keys = new IdempotencyKeys(idempotencyRetentionMs)
    this.letters = deadLetters ? new LetterTable() : undefined
    this.log = log && new LogTable(log)
  }

  /** Epoch ms. */
  get now(): number {
    return this.#clock.now()
  }

  /** The numbers of events, dead letters, approvals and the log come from here: none is ever used twice. */
  nextSeq(): number {
    return this.#nextSeq++
  }

  get lastSeq(): number {
    return this.#nextSeq - 1
  }

  /** Numbers go on behind this one. */
  skipTo(seq: number): void {
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1)
  }

  /** Adds an effect to a transaction, which is lost if the store is restored before its end, as by a crash. */
  join(transaction: MemoryTransaction, effect: Effect): void {
    const { events } = this
    transaction.join({
      ...effect,
      check: () => {
        if (events !== this.events) throw transactionLost()
        effect.check?.()
      },
      apply: () => void this.run(() => effect.apply()),
    })
  }

  /** Runs a verb at once, and gives a hint if something can be claimed now that could not before. */
  async run<Value>(verb: () => Value): Promise<Value> {
    this.events.offered = false
    const value = verb()
    if (this.events.offered) this.hints.give()
    return value
  }
}
