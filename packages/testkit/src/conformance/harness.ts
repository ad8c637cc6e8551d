import type { Persistence } from '@buslane/core'

/** What a store may lack, or a harness may be unable to bring about. Everything else is asked of every store. */
export type Capability =
  /** The persistence has a `deadLetters` part. */
  | 'dead-letters'
  /** It can be opened without one, and then keeps dead events itself. */
  | 'without-dead-letters'
  /** The persistence has an `approvals` part. */
  | 'approvals'
  /** The persistence has an `inspect` part. */
  | 'inspect'
  /** Other processes can work on the same data: `connect`. */
  | 'connections'
  /** The data outlives a process that ends without a word: `restart`. */
  | 'restart'
  /** `appendIn` and `completeIn` on the caller's connection: `begin`. */
  | 'transactions'
  /** The store has a clock of its own: `skewProcessClock`. */
  | 'own-clock'
  /** Connections have a time zone: `connect({ timeZone })`. */
  | 'time-zones'

/** How the suite wants a store to be set up. */
export interface OpenOptions {
  readonly leaseMs: number
  readonly idempotencyRetentionMs: number
  /** Whether it has a dead-letter store. `false` is only asked for with the capability `without-dead-letters`. */
  readonly deadLetters: boolean
}

/** A transaction of the caller, on a connection of his own. */
export interface OpenTransaction {
  /** What is given to `appendIn` and `completeIn`. */
  readonly handle: unknown
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** An empty store for one check, and what the check may do to it from outside. */
export interface OpenStore {
  readonly persistence: Persistence
  /**
   * Makes it later by so many milliseconds, for this store. A store with an injected clock moves the clock; on a database
   * the harness makes all stored times earlier by as much. Never by waiting.
   */
  passTime(ms: number): Promise<void>
  /** Another instance on the same data, with connections of its own, as another process would have it. */
  connect?(options: { readonly timeZone?: string }): Promise<Persistence>
  /** Forgets all that the process knows, without `close` and without `leave`, and gives what a new process would see. */
  restart?(): Promise<Persistence>
  begin?(): Promise<OpenTransaction>
  /** Sets the clock of this process so far ahead of the real one; 0 puts it right. The store's clock stays as it is. */
  skewProcessClock?(ms: number): void
  /** Frees everything. The suite has closed the stores before. */
  close(): Promise<void>
}

/** How the suite gets at a store: what an adapter author writes. */
export interface Harness {
  /** What is not there, and why: the checks that need it are skipped, and counted as skipped. */
  readonly absent?: Readonly<Partial<Record<Capability, string>>>
  /**
   * How far the store's clock may move by itself during one check, in milliseconds: 0 for an injected clock (the
   * default), some seconds for a real one. Times are asserted this exactly. At most 20,000.
   */
  readonly slackMs?: number
  /** Makes an empty store. Called for every check, never twice at once. */
  open(options: OpenOptions): Promise<OpenStore>
}
