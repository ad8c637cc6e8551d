import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { freePort } from './database.ts'
import { until } from './until.ts'

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The program that `BUSLANE_TEST_PGBOUNCER` names, or the one on the path. */
export const pgBouncerBinary = (): string | undefined => {
  const given = process.env['BUSLANE_TEST_PGBOUNCER']
  if (given !== undefined && given !== '') return given
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin']
  return folders.map((folder) => path.join(folder, 'pgbouncer')).find(isExecutable)
}

/** A PgBouncer in front of the database, which gives a connection to each transaction. */
export const startPgBouncer = async (
  binary: string,
  connectionString: string,
): Promise<AsyncDisposable & { readonly connectionString: string }> => {
  const server = new URL(connectionString)
  const folder = await mkdtemp(path.join(tmpdir(), 'buslane-pgbouncer-'))
  await chmod(folder, 0o755)
  const port = await freePort()
  const config = path.join(folder, 'pgbouncer.ini')
  const database = server.pathname.slice(1)
  await writeFile(
    config,
    `[databases]
${database} = host=${server.hostname} port=${server.port} user=${server.username} password=${server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
`,
  )
  // It refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const output: string[] = []
  const child = spawn(binary, [...asUser, config], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.on('data', (data) => void output.push(String(data)))
  const url = new URL(connectionString)
  url.port = String(port)
  const stop = async (): Promise<void> => {
    await stopProcess(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await until(() => answers(url.href))
  } catch (cause) {
    await stop()
    throw new Error(`PgBouncer did not start:\n${output.join('')}`, { cause })
  }
  return { connectionString: url.href, [Symbol.asyncDispose]: stop }
}

const answers = async (connectionString: string): Promise<boolean> => {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    await client.end()
    return true
  } catch {
    return false
  }
}

const stopProcess = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
