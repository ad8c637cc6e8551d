import { BusError } from '@buslane/core'
import type { CompiledQuery } from 'kysely'
import type { Database, Statement } from './database.ts'

/** A transaction of Kysely: what `kysely.transaction().execute(...)` or `startTransaction()` gives. */
export interface KyselyTransaction {
  readonly isTransaction: boolean
  withoutPlugins(): { executeQuery(query: CompiledQuery): Promise<{ readonly rows: readonly unknown[] }> }
}

/** A client of `pg` between `BEGIN` and `COMMIT`. */
export interface ClientInTransaction {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

declare module '@buslane/core' {
  interface TransactionTypes {
    /** A transaction of Kysely, or a client of `pg` between `BEGIN` and `COMMIT`. */
    readonly postgres: KyselyTransaction | ClientInTransaction
  }
}

/** Runs statements in a transaction of the caller's. */
export type RunIn = <Row>(statement: Statement<Row>) => Promise<readonly Row[]>

/**
 * Found by what it can do, not by its class: there may be several copies of Kysely and `pg`. Errors are the caller's to see as
 * they are, since it is his transaction that failed.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const runIn = (db: Database, transaction: unknown): RunIn => {
  if (isKyselyTransaction(transaction)) {
    const plain = transaction.withoutPlugins()
    return async <Row>(statement: Statement<Row>) =>
      (await plain.executeQuery(db.compile(statement))).rows as readonly Row[]
  }
  if (isClient(transaction)) {
    return async <Row>(statement: Statement<Row>) => {
      const { sql, parameters } = db.compile(statement)
      return (await transaction.query(sql, [...parameters])).rows as readonly Row[]
    }
  }
  throw new BusError(
    'INVALID_ARGUMENT',
    'transaction must be a Kysely transaction, or a client of pg after BEGIN: not a pool, and not a Kysely instance',
    { retryable: false },
  )
}

const isKyselyTransaction = (value: unknown): value is KyselyTransaction => {
  const { isTransaction, withoutPlugins } = (value ?? {}) as Partial<KyselyTransaction>
  return isTransaction === true && typeof withoutPlugins === 'function'
}

/** A pool has `query` too, but every call on it may take another connection. Newer clients say whether a transaction is open. */
const isClient = (value: unknown): value is ClientInTransaction => {
  const client = (value ?? {}) as {
    readonly query?: unknown
    readonly totalCount?: unknown
    readonly isTransaction?: unknown
    getTransactionStatus?(): string | null
  }
  if (typeof client.query !== 'function' || client.totalCount !== undefined || client.isTransaction !== undefined) {
    return false
  }
  return typeof client.getTransactionStatus !== 'function' || client.getTransactionStatus() !== 'I'
}
