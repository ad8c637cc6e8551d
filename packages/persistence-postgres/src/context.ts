import type { RawBuilder } from 'kysely'
import type { Database } from './database.ts'
import type { StoreConfig } from './options.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import type { RunIn } from './transaction.ts'

/** Tells other processes that there may be work, and hears it from them. Everything here is a hint: it may be lost. */
export interface Notifications {
  /** One statement without parameters that tells everybody who listens. It takes effect with the commit. */
  readonly notify: string
  /** What it tells it on. */
  readonly channel: string
  onHint(listener: () => void): Disposable
  close(): Promise<void>
}

/** What the verbs of one store share. */
export interface StoreContext {
  readonly db: Database
  readonly config: StoreConfig
  /** What is kept prepared, if anything is. */
  readonly statements: PreparedStatements | undefined
  /** Says, soon and at most once at a time, that there is work that another process could do. */
  hint(): void
  /**
   * As {@link hint}, by an expression for a statement that is about to run: the hint comes with its commit, and costs no round trip. Once:
   * `undefined` while hints have to keep their distance, or are off.
   */
  takeHint(): RawBuilder<unknown> | undefined
  /** As {@link takeHint}, for a statement in a transaction of the caller's: each has its own commit. */
  readonly hintWithin: RawBuilder<unknown> | undefined
  /** As {@link hint}, with the commit of the transaction that `run` runs in. */
  hintIn(run: RunIn): Promise<void>
  /** How many claims in a row found no named lane with work. */
  claimsWithoutLanes: number
  /** How often dead workers were looked for here. */
  sweeps: number
  /** Events that were claimed, and settled, since the low-water marks were last moved. */
  turned: number
  /** It was said that the marks cannot be moved. */
  raiseFailed: boolean
  /** Events that were settled since the tables were last vacuumed. */
  settled: number
  /** No vacuum before this moment, by `performance.now()`. */
  vacuumAfter: number
  /** It was said that vacuuming does not work. */
  vacuumFailed: boolean
}
