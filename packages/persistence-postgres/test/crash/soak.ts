/**
 * The soak: workers on one schema that are killed at random while events are published, and then what the journal says.
 *
 *   node --conditions=@buslane/source soak.ts [--kills 500] [--workers 3] [--seed 1] [--minutes 12] [--database-url <url>]
 *
 * Without a database url it starts a Postgres of its own. Exits with 1 if anything was lost, out of order, or repeated without a
 * reason.
 */
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startDatabase } from '../support/database.ts'
import { soak } from './soak-run.ts'
import { printSoak } from './soak-report.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    workers: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    minutes: { type: 'string', default: '12' },
    'database-url': { type: 'string' },
  },
})

if (values['database-url'] !== undefined) process.env['BUSLANE_TEST_DATABASE_URL'] = values['database-url']
// Hundreds of processes load the same modules: compiled once, they start in half the time.
process.env['NODE_COMPILE_CACHE'] ??= path.join(tmpdir(), 'buslane-crash-compiled')
const database = await startDatabase()
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
try {
  const result = await soak({
    connectionString: database.connectionString,
    kills: Number(values.kills),
    workers: Number(values.workers),
    seed: Number(values.seed),
    signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(Number(values.minutes) * 60_000)]),
  })
  process.exitCode = printSoak(result) ? 0 : 1
} finally {
  await database.stop()
}
