import type { PostgresPool as KyselyPool } from 'kysely'
import { isReadOnly } from './errors.ts'
import { importPg } from './import-pg.ts'
import { PreparedStatements } from './prepared-statements.ts'

/** A client as a pool of `pg` lends it. */
export interface PooledClient {
  query(...query: unknown[]): unknown
  on?(event: 'error', listener: (error: Error) => void): unknown
  release(destroy?: Error | boolean): void
}

/** A pool of `pg`, as far as it is used here. */
export interface PostgresPool {
  connect(): Promise<PooledClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: PooledClient) => void): unknown
  off?(event: 'error', listener: (error: Error) => void): unknown
  off?(event: 'connect', listener: (client: PooledClient) => void): unknown
}

interface SafePool {
  readonly pool: KyselyPool
  readonly statements: PreparedStatements
  readonly release: () => void
}

/**
 * The pool as Kysely is to use it: once a connection turned out to lead to a read-only standby, neither it nor any that was made
 * before is used again, so that after a failover the next ones lead to the new primary. `release` ends listening to the pool, which
 * stays its owner's.
 */
export const safePool = (pool: PostgresPool): SafePool => {
  // Idle connections that break tell the pool, and an error event without a listener would end the process. The pool replaces them,
  // and whoever needs the database learns of it if that fails, too.
  const ignore = (): void => {}
  pool.on('error', ignore)
  pool.on('connect', hear)
  const statements = new PreparedStatements()
  const failovers = new Failovers()
  const connect = async (): Promise<PooledClient> => {
    for (;;) {
      const client = await pool.connect()
      if (!failovers.isOutdated(client)) return guarded(client, { statements, failovers })
      client.release(true)
    }
  }
  const release = (): void => {
    pool.off?.('error', ignore)
    pool.off?.('connect', hear)
  }
  const kyselyPool = { connect, end: () => Promise.resolve() }
  return { pool: kyselyPool as unknown as KyselyPool, statements, release }
}

/** Knows which connections were made before one was found to be read-only. */
class Failovers {
  #seen = 0
  readonly #madeAfter = new WeakMap<PooledClient, number>()

  /** One that was not seen before is taken for new. */
  isOutdated(client: PooledClient): boolean {
    const madeAfter = this.#madeAfter.get(client)
    if (madeAfter === undefined) this.#madeAfter.set(client, this.#seen)
    return madeAfter !== undefined && madeAfter < this.#seen
  }

  saw(error: unknown): void {
    if (isReadOnly(error)) this.#seen++
  }
}

/** Clients whose errors are heard. */
const heard = new WeakSet<object>()

/**
 * The pool listens to idle clients only: one that breaks between two statements would end the process. Whoever sends the next statement is
 * told. A new one is heard from the moment when it is connected: what ends it may have arrived in the same packet, and comes before
 * anybody who waits for the client can act.
 */
const hear = (client: Pick<PooledClient, 'on'>): void => {
  if (!heard.has(client)) client.on?.('error', () => {})
  heard.add(client)
}

const guarded = (
  client: PooledClient,
  { statements, failovers }: { readonly statements: PreparedStatements; readonly failovers: Failovers },
): PooledClient => {
  hear(client)
  return {
    async query(...query: unknown[]) {
      try {
        return await statements.query(client, query)
      } catch (error) {
        failovers.saw(error)
        throw error
      }
    },
    release: (destroy) => client.release(failovers.isOutdated(client) || destroy),
  }
}

/** @throws {BusError} `INVALID_ARGUMENT` if `pg` is not installed */
export const openPool = async (
  connectionString: string,
  { max, connectMs }: { readonly max: number; readonly connectMs: number },
): Promise<PostgresPool> => {
  const { Client, Pool } = await importPg()
  // Heard from the moment it is made: a connection may be ended while it is being made, too.
  class HeardClient extends Client {
    constructor(options?: ConstructorParameters<typeof Client>[0]) {
      super(options)
      hear(this)
    }
  }
  const pool = new Pool({
    Client: HeardClient,
    connectionString,
    max,
    // Without a limit a host that does not answer would hold a start for as long as the system waits.
    connectionTimeoutMillis: Math.max(1, Math.ceil(connectMs)),
    keepAlive: true,
    application_name: 'buslane',
  })
  pool.on('error', () => {}) // as in safePool: whoever needs the database learns of it
  return pool
}
