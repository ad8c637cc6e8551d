// The embedded store: everything that needs @electric-sql/pglite, so that the main entry does not.
import { PGliteDialect, Kysely } from 'kysely'
import { BusError } from '@buslane/core'
import type { Notifications } from './context.ts'
import { invalid, textOf } from './errors.ts'
import { identifier } from './ids.ts'
import { channelOf } from './notifications.ts'
import { storeConfig, type StoreOptions } from './options.ts'
import { type DataDirLock, lockDataDir } from './pglite/data-dir-lock.ts'
import { createParts, type PostgresPersistence } from './postgres-persistence.ts'
import { createPostgresStore } from './postgres-store.ts'

/** Options of {@link pglitePersistence}. */
export interface PgliteOptions extends StoreOptions {
  /** The folder of the database, made if it does not exist. Default: in memory, gone with the process. */
  readonly dataDir?: string | undefined
}

const LEASE_MS = 30_000
/** A new database takes seconds to make on a slow machine, and there is no other to go on without. */
const CONNECT_MS = 30_000

type PGlite = import('@electric-sql/pglite').PGlite

/** An open database, and the right to have it open. */
interface Opened {
  readonly pglite: PGlite
  readonly lock: DataDirLock | undefined
}

/**
 * Durable and scheduled events in a Postgres that is embedded in the process: nothing to install but the package
 * `@electric-sql/pglite`. For one process at a time; for several there is `postgresPersistence`, with the same tables.
 *
 * *Survives* `kill -9`. PGlite does not wait for the disk (`fsync` is off), so a power cut or a crash of the machine may take
 * the last commits with it.
 * *One process per `dataDir`*: a second one is refused with `STORE_LOCKED`; the lock of a process that was killed is taken over.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const pglitePersistence = (options: PgliteOptions = {}): PostgresPersistence => {
  // One connection does everything: appends side by side would only wait for each other.
  // The database works in this process, so a busy one says late that it lives; nobody else can take over anyway.
  const defaults = { parallelAppends: 1, leaseMs: LEASE_MS, connectMs: CONNECT_MS }
  const config = storeConfig(options, { where: 'pglitePersistence', own: ['dataDir'], defaults })
  if (options.dataDir !== undefined && typeof options.dataDir !== 'string') {
    throw invalid(`dataDir must be the path of a folder, not ${textOf(options.dataDir)}`)
  }
  const database = new EmbeddedDatabase(options.dataDir, config.schema)
  const kysely = new Kysely<unknown>({ dialect: new PGliteDialect({ pglite: database.asPGlite() }) })
  const notifications = config.notify ? database : undefined
  return createParts(createPostgresStore(config, { kysely, notifications, close: () => database.shut() }))
}

/** A database that is opened when it is first used, and again after it was closed. */
class EmbeddedDatabase implements Notifications {
  readonly notify: string
  readonly channel: string
  readonly #dataDir: string | undefined
  readonly #schema: string
  readonly #listeners = new Set<() => void>()
  #opened: Promise<Opened> | undefined
  /** Resolves when what was opened before is closed: the folder cannot be opened sooner. */
  #closed: Promise<void> = Promise.resolve()

  constructor(dataDir: string | undefined, schema: string) {
    this.#dataDir = dataDir
    this.#schema = schema
    this.channel = channelOf(schema)
    this.notify = `notify ${this.channel}`
  }

  /** As Kysely wants it. */
  asPGlite(): ConstructorParameters<typeof PGliteDialect>[0]['pglite'] {
    const open = async (): Promise<PGlite> => (await this.#open()).pglite
    return {
      closed: false,
      ready: true,
      waitReady: Promise.resolve(),
      close: () => this.shut(),
      query: async (text, parameters, options) => (await open()).query(text, parameters, options) as never,
      transaction: async (callback) => (await open()).transaction((tx) => callback(tx as never)) as never,
    }
  }

  onHint(listener: () => void): Disposable {
    const own = (): void => listener()
    this.#listeners.add(own)
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) }
  }

  /** Hints end with the database. */
  close(): Promise<void> {
    return Promise.resolve()
  }

  async shut(): Promise<void> {
    const opened = this.#opened
    // In memory there is nothing to come back to: closing would lose what a later start must find.
    if (opened && this.#dataDir !== undefined) {
      this.#opened = undefined
      const before = this.#closed
      // What cannot be opened leaves nothing to be closed.
      const closing = opened.then(closeBoth, () => {})
      this.#closed = before.then(() => closing.catch(() => {}))
      await closing
    }
    await this.#closed
  }

  #open(): Promise<Opened> {
    if (!this.#opened) {
      const opening = this.#closed.then(() => this.#openOnce())
      this.#opened = opening
      opening.catch(() => {
        if (this.#opened === opening) this.#opened = undefined
      })
    }
    return this.#opened
  }

  async #openOnce(): Promise<Opened> {
    const { PGlite } = await importPGlite()
    const lock = this.#dataDir === undefined ? undefined : await lockDataDir(this.#dataDir)
    let pglite: PGlite | undefined
    try {
      pglite = new PGlite(this.#dataDir === undefined ? {} : { dataDir: this.#dataDir })
      await pglite.waitReady
      await this.#endLeases(pglite)
      await pglite.listen(this.channel, () => {
        for (const listener of this.#listeners) listener()
      })
      return { pglite, lock }
    } catch (error) {
      // One that never got ready cannot be closed, either.
      await pglite?.close().catch(() => {})
      await lock?.release()
      throw error
    }
  }

  /** Whoever had the folder before is gone: what it held is given back by the first sweep, whatever its lease says. */
  async #endLeases(pglite: PGlite): Promise<void> {
    const workers = `${identifier(this.#schema)}.workers`
    const { rows } = await pglite.query<{ found: string | null }>('select to_regclass($1)::text as found', [workers])
    if (rows[0]?.found) await pglite.query(`update ${workers} set lease_until = 0`)
  }
}

const closeBoth = async ({ pglite, lock }: Opened): Promise<void> => {
  try {
    await pglite.close()
  } finally {
    await lock?.release()
  }
}

const importPGlite = async (): Promise<typeof import('@electric-sql/pglite')> => {
  try {
    return await import('@electric-sql/pglite')
  } catch (error) {
    throw new BusError('INVALID_ARGUMENT', 'pglitePersistence needs the package @electric-sql/pglite: install it', {
      cause: error,
      retryable: false,
    })
  }
}
