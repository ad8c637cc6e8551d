import { setTimeout as pause } from 'node:timers/promises'
import { BusError, isBusError } from '@buslane/core'

/** The codes of errors that only this package makes. All but the last come as the `cause` of `PERSISTENCE_UNAVAILABLE`. */
export const PostgresErrorCode = {
  /** The schema was migrated by a newer version of this package. Deploy that version here, too. */
  SCHEMA_TOO_NEW: 'SCHEMA_TOO_NEW',
  /** `autoMigrate` is off and the schema lacks migrations. Run them. */
  SCHEMA_OUTDATED: 'SCHEMA_OUTDATED',
  /** A migration failed and was rolled back; see `cause`. */
  MIGRATION_FAILED: 'MIGRATION_FAILED',
  /** A live process uses the folder of PGlite. Stop it, or use Postgres. */
  STORE_LOCKED: 'STORE_LOCKED',
  /** The database refused a statement, and would again; see `cause`. */
  STORE_FAILED: 'STORE_FAILED',
} as const
export type PostgresErrorCode = (typeof PostgresErrorCode)[keyof typeof PostgresErrorCode]

/** Serialization failure and deadlock: the transaction was rolled back for the sake of others and may simply run again. */
const RUN_AGAIN = new Set(['40001', '40P01'])
const MAX_RUNS = 25
const MAX_PAUSE_MS = 100

/**
 * Runs `attempt` again while the database says that it gave way to another transaction: at once, and then after pauses that grow and differ, so
 * that those which hinder each other part. Where transactions are serializable by default that is common.
 */
export const retrying = async <Value>(attempt: () => Promise<Value>): Promise<Value> => {
  for (let run = 1; ; run++) {
    try {
      return await attempt()
    } catch (error) {
      if (run === MAX_RUNS || !RUN_AGAIN.has(sqlState(error) ?? '')) throw error
    }
    if (run > 1) await pause(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** run))
  }
}

/** The five characters by which Postgres says what is wrong; `undefined` if the error is not the database's. */
export const sqlState = (error: unknown): string | undefined => {
  const code: unknown = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/**
 * The error as the runner needs it. Data, syntax, schema and permission errors (classes 21 to 23, 42, 54, 3D, 3F, 0A) come again with every
 * try. All others may pass: connections, resources, operators, shutdown, a read-only standby, and what is no answer of a database.
 */
export const storeError = (error: unknown): BusError => {
  if (isBusError(error)) return error
  const state = sqlState(error)
  const text = describeError(error)
  if (state !== undefined && /^(21|22|23|42|54|3D|3F|0A)/.test(state)) {
    return new BusError('STORE_FAILED', `The database refused a statement of the store (${state}): ${text}`, {
      cause: error,
      retryable: false,
    })
  }
  return new BusError(
    'PERSISTENCE_UNAVAILABLE',
    `The database cannot be used${state === undefined ? '' : ` (${state})`}: ${text}`,
    { cause: error, retryable: true },
  )
}

export const invalid = (message: string): BusError => new BusError('INVALID_ARGUMENT', message, { retryable: false })

/** Refuses what is no object, or has a name that is none of these: a misspelt one. */
export const checkNames = (where: string, options: object, names: readonly string[]): void => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${where} must be an object, not ${textOf(options)}`)
  }
  const strange = Object.keys(options).find((name) => !names.includes(name))
  if (strange !== undefined) throw invalid(`${where} has no option '${strange}', only ${names.join(', ')}`)
}

export const checkMethods = (what: string, given: unknown, methods: readonly string[]): void => {
  for (const method of methods) {
    const found: unknown = (given as Readonly<Record<string, unknown>> | null | undefined)?.[method]
    if (typeof found !== 'function') throw invalid(`${what}.${method} must be a function, not ${textOf(found)}`)
  }
}

/** What it is, and nothing of what is inside: a connection string has a password in it. */
export const textOf = (given: unknown): string => {
  if (typeof given === 'string') return given === '' ? `''` : 'a string'
  if (typeof given === 'function') return 'a function'
  return typeof given === 'object' && given !== null ? 'an object' : String(given)
}

export const describeError = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : JSON.stringify(error)

/** The connection leads to a standby: after a failover the pool must not offer it again. */
export const isReadOnly = (error: unknown): boolean => sqlState(error) === '25006'
