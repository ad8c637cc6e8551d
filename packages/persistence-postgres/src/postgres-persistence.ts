import type { ApprovalStore, EventStore, Inspectable, Persistence } from '@buslane/core'
import { Kysely, PostgresDialect } from 'kysely'
import { createApprovals } from './approvals.ts'
import type { StoreContext } from './context.ts'
import { createDeadLetters } from './dead-letters.ts'
import { checkMethods, invalid, textOf } from './errors.ts'
import { createEventLog } from './event-log.ts'
import { createInspect } from './inspect.ts'
import { clientLikeThoseOf, clientOf, type MakeListeningClient } from './listening-client.ts'
import { createNotifications } from './notifications.ts'
import { storeConfig, type StoreOptions } from './options.ts'
import { createPostgresStore } from './postgres-store.ts'
import { openPool, type PostgresPool, safePool } from './pool.ts'
import type { PreparedStatements } from './prepared-statements.ts'

/** A Kysely instance for Postgres, of whatever tables. */
export interface PostgresKysely {
  readonly isTransaction: boolean
  withoutPlugins(): unknown
  destroy(): Promise<void>
}

/** Where the database is. What is given stays open when the store is closed; the pool of a connection string is closed with it. */
export type PostgresSource =
  | {
      /** As `pg` takes it. Needs the package `pg`. */
      readonly connectionString: string
      /** At most so many connections. Default 10. */
      readonly maxConnections?: number | undefined
      readonly pool?: undefined
      readonly kysely?: undefined
    }
  | { readonly pool: PostgresPool; readonly connectionString?: undefined; readonly kysely?: undefined }
  | { readonly kysely: PostgresKysely; readonly connectionString?: undefined; readonly pool?: undefined }

/** Options of {@link postgresPersistence}. */
export type PostgresOptions = PostgresSource &
  StoreOptions & {
    /**
     * Where to LISTEN, on a connection of its own. Default: where `connectionString` or the `pool` of `pg` leads; with a `kysely`
     * instance, or another kind of pool, nowhere, and events of other processes are found by polling. Set it there, and to go past a pooler
     * that shares connections between transactions.
     */
    readonly listenConnectionString?: string | undefined
  }

/** What a bus needs to keep durable and scheduled events in Postgres. */
export interface PostgresPersistence extends Persistence {
  readonly events: EventStore
  readonly approvals: ApprovalStore
  readonly inspect: Inspectable
  /** Frees the connections, as stopping the bus does. *Idempotent.* */
  close(): Promise<void>
}

const SOURCE = ['connectionString', 'maxConnections', 'pool', 'kysely', 'listenConnectionString']

/**
 * Durable and scheduled events in Postgres 14 or later: for applications of one or many processes. For a single process without a
 * server there is `pglitePersistence`.
 *
 * *Connects* when it is first used. *Clock*: due times and leases are by the database's clock, in UTC, in whole milliseconds.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const postgresPersistence = (options: PostgresOptions): PostgresPersistence => {
  const config = storeConfig(options, { where: 'postgresPersistence', own: SOURCE })
  const { connectMs } = config.settings
  const { kysely, statements, close, listeningClient } = connect(options, connectMs)
  const { listenConnectionString } = options
  if (listenConnectionString !== undefined) requireText('listenConnectionString', listenConnectionString)
  const makeClient =
    listenConnectionString === undefined ? listeningClient : clientOf(listenConnectionString, connectMs)
  const notifications =
    config.notify && makeClient ? createNotifications(makeClient, config.schema, config.logger) : undefined
  return createParts(createPostgresStore(config, { kysely, statements, notifications, close }))
}

/** Everything that works on one schema. */
export const createParts = ({
  events,
  context,
}: {
  readonly events: EventStore
  readonly context: StoreContext
}): PostgresPersistence => {
  const { deadLetters, logs } = context.config
  return {
    events,
    deadLetters: deadLetters ? createDeadLetters(context) : undefined,
    eventLog: logs && createEventLog(context, logs),
    approvals: createApprovals(context, events),
    inspect: createInspect(context),
    close: () => events.close(),
  }
}

interface Connected {
  readonly kysely: Kysely<unknown>
  /** What is kept prepared; nothing through a Kysely instance. */
  readonly statements?: PreparedStatements | undefined
  /** Makes the connection for notifications; a Kysely instance does not say how. */
  readonly listeningClient?: MakeListeningClient | undefined
  readonly close: () => Promise<void>
}

const connect = (options: PostgresSource, connectMs: number): Connected => {
  const given = [options.connectionString, options.pool, options.kysely].filter((source) => source !== undefined)
  if (given.length !== 1) {
    throw invalid(`postgresPersistence needs one of connectionString, pool and kysely, and was given ${given.length}`)
  }
  const { maxConnections: max = 10 } = options as { readonly maxConnections?: number | undefined }
  if (!(Number.isInteger(max) && max >= 1)) {
    throw invalid(`maxConnections must be a whole number from 1, not ${textOf(max)}`)
  }
  if (options.kysely !== undefined) {
    checkMethods('kysely', options.kysely, ['withoutPlugins', 'destroy'])
    if (options.kysely.isTransaction) throw invalid('kysely must be an instance, not a transaction')
    return { kysely: options.kysely as unknown as Kysely<unknown>, close: () => Promise.resolve() }
  }
  if (options.pool !== undefined) {
    checkMethods('pool', options.pool, ['connect', 'on'])
    const { pool, statements, release } = safePool(options.pool)
    return {
      kysely: new Kysely({ dialect: new PostgresDialect({ pool }) }),
      statements,
      listeningClient: clientLikeThoseOf(options.pool, connectMs),
      close: () => {
        release()
        return Promise.resolve()
      },
    }
  }
  requireText('connectionString', options.connectionString)
  return openedOnDemand(options.connectionString, { max, connectMs })
}

const requireText = (name: string, given: unknown): void => {
  if (typeof given === 'string' && given !== '') return
  throw invalid(`${name} must be a string that is not empty, not ${textOf(given)}`)
}

/** A pool of its own. After `close()` the next use opens another: a bus can be started again. */
const openedOnDemand = (
  connectionString: string,
  { max, connectMs }: { readonly max: number; readonly connectMs: number },
): Connected => {
  let opened: Promise<PostgresPool> | undefined
  const open = (): Promise<PostgresPool> => {
    opened ??= openPool(connectionString, { max, connectMs }).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }
  const onDemand: PostgresPool = {
    connect: async () => (await open()).connect(),
    end: () => Promise.resolve(),
    on: () => undefined,
  }
  const { pool, statements } = safePool(onDemand)
  return {
    kysely: new Kysely({ dialect: new PostgresDialect({ pool }) }),
    statements,
    listeningClient: clientOf(connectionString, connectMs),
    async close() {
      const closing = opened
      opened = undefined
      if (closing) await (await closing).end()
    },
  }
}
