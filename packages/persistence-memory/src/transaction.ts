import { invalidArgument, textOf } from './errors.ts'

/** What a transaction does when it ends. */
export interface Effect {
  /** Throws if it cannot be applied any more; then nothing of the transaction is. */
  check?(): void
  apply(): void
  undo?(): void
}

/**
 * Changes that become visible together, or not at all: what a database transaction is to a database store. Made by
 * {@link memoryTransaction}.
 */
export class MemoryTransaction {
  #state: 'open' | 'committed' | 'rolled back' = 'open'
  readonly #effects: Effect[] = []
  #end: () => void = () => undefined
  /** Resolves when it has ended, either way. @internal */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#end = resolve
  })

  /** Whether it can still be joined. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Adds a change of one's own, which runs if and when the transaction is committed. It must not throw. */
  onCommit(change: () => void): void {
    if (typeof change !== 'function') throw invalidArgument(`onCommit() takes a function, not ${textOf(change)}`)
    this.join({ apply: change })
  }

  /**
   * Applies everything, in order, or nothing.
   *
   * *Failure*: a commit that rejects has rolled back.
   *
   * @throws {BusError} `LEASE_LOST` if a handler's completion is in it and its event was given to another worker,
   * `PERSISTENCE_UNAVAILABLE` if the store was restored meanwhile, `INVALID_ARGUMENT` if it has ended.
   */
  async commit(): Promise<void> {
    this.#requireOpen()
    try {
      for (const effect of this.#effects) effect.check?.()
    } catch (error) {
      this.#rollback()
      throw error
    }
    this.#state = 'committed'
    for (const effect of this.#effects) effect.apply()
    this.#end()
  }

  /** Drops everything. *Idempotent*; harmless after a commit. */
  async rollback(): Promise<void> {
    if (this.isOpen) this.#rollback()
  }

  /** @internal */
  join(effect: Effect): void {
    this.#requireOpen()
    this.#effects.push(effect)
  }

  #rollback(): void {
    this.#state = 'rolled back'
    for (const effect of this.#effects) effect.undo?.()
    this.#end()
  }

  #requireOpen(): void {
    if (!this.isOpen) throw invalidArgument(`The transaction is ${this.#state} already`)
  }
}

/**
 * Begins a transaction for `publish(event, { transaction })` and `context.completeIn(transaction)`. Not needed otherwise:
 * every verb of the store is a transaction by itself.
 *
 * @example
 * const transaction = memoryTransaction()
 * let balance = 0
 * transaction.onCommit(() => (balance += 10))
 * balance // => 0
 * await transaction.commit()
 * balance // => 10
 */
export const memoryTransaction = (): MemoryTransaction => new MemoryTransaction()

/** @throws {BusError} `INVALID_ARGUMENT` */
export const requireTransaction = (transaction: unknown): MemoryTransaction => {
  if (transaction instanceof MemoryTransaction) return transaction
  throw invalidArgument(`transaction must be made by memoryTransaction(), and is ${textOf(transaction)}`)
}

declare module '@buslane/core' {
  interface TransactionTypes {
    readonly memory: MemoryTransaction
  }
}
