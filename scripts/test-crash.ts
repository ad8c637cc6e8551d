/**
 * Kills worker processes at random while they handle durable events, and says what became of the events.
 *
 *   pnpm test:crash [--kills 500] [--workers 3] [--seed 1] [--minutes 12] [--database-url <url>]
 *
 * Without a database url it starts a Postgres of its own: nothing has to be installed. Exits with 1 if an event was lost, ran out
 * of order, or ran twice without a reason.
 */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { root } from './workspace.ts'

const soak = path.join(root, 'packages/persistence-postgres/test/crash/soak.ts')
const child = spawn(
  process.execPath,
  ['--conditions=@buslane/source', '--no-warnings', soak, ...process.argv.slice(2).filter((word) => word !== '--')],
  { stdio: 'inherit' },
)
// The soak frees its schema and its database first.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => {
  process.exitCode = code ?? 1
})
