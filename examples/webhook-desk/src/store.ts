import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type PostgresPersistence, postgresPersistence } from '@buslane/persistence-postgres'
import { pglitePersistence } from '@buslane/persistence-postgres/pglite'
import pg from 'pg'

const SCHEMA = 'buslane_desk'

export interface StorePlace {
  readonly folder: string
  /** A Postgres server, instead of a database in the folder. */
  readonly databaseUrl: string | undefined
}

/** Where the desk keeps what must not be lost. The embedded database is for one process at a time, a server is for many. */
export function openStore({ folder, databaseUrl }: StorePlace): PostgresPersistence {
  // It waits for a first start on a slow machine.
  const options = { schema: SCHEMA, sweepMs: 250, connectMs: 30_000 }
  return databaseUrl === undefined
    ? pglitePersistence({ ...options, dataDir: path.join(folder, 'database') })
    : postgresPersistence({ ...options, leaseMs: 2_000, connectionString: databaseUrl })
}

/** A folder to work in: the given one, which stays, or a new one that is removed in the end. */
export async function openFolder(kept: string | undefined): Promise<{ folder: string } & AsyncDisposable> {
  const folder = kept === undefined ? await mkdtemp(path.join(tmpdir(), 'webhook-desk-')) : path.resolve(kept)
  await mkdir(folder, { recursive: true })
  return {
    folder,
    async [Symbol.asyncDispose]() {
      if (kept === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Forgets what an earlier run has left on the server. */
export async function forgetServer(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  try {
    await client.connect()
    await client.query(`drop schema if exists ${SCHEMA} cascade`)
  } finally {
    await client.end()
  }
}
