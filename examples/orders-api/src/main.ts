// Everything at once: a database, the API, and two workers. In production each of them is started by itself.
import pg from 'pg'
import { config } from './config.ts'
import { createTables, openDatabase } from './database.ts'
import { startEmbeddedDatabase } from './embedded-database.ts'
import { onShutdown } from './shutdown.ts'
import { supervise } from './supervise.ts'

const embedded = config.databaseUrl === undefined ? await startEmbeddedDatabase(config.dataFolder) : undefined
const databaseUrl = embedded?.url ?? config.databaseUrl ?? ''
console.log(`Postgres is at ${databaseUrl}`)

const pool = new pg.Pool({ connectionString: databaseUrl })
await createTables(openDatabase(pool))
await pool.end()

const environment = { DATABASE_URL: databaseUrl }
const api = supervise('api', 'api-process.ts', environment)
const workers = [1, 2].map((number) => supervise(`worker ${number}`, 'worker-process.ts', environment))
console.log(`The API is at http://127.0.0.1:${config.port}`)

onShutdown(async () => {
  await api.stop() // first, so that nothing new comes in
  await Promise.all(workers.map((worker) => worker.stop()))
  await embedded?.stop()
  console.log('All have ended.')
})
