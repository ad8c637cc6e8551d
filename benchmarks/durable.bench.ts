/**
 * The speed of durable events on a real Postgres, beside graphile-worker and bare inserts. The sides of a contest take
 * turns within one process, because machines differ and are noisy: only ratios of one run mean something.
 *
 *   node durable.bench.ts [--full] [--rounds n] [--events n] [--only contest]
 *
 * On an embedded Postgres, or on the server of BUSLANE_TEST_DATABASE_URL, in schemas whose names begin with `bench_`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { contests, type Setting } from './durable/contests.ts'
import { startDatabase } from './durable/database.ts'
import type { Finding } from './durable/measure.ts'

const { values } = parseArgs({
  options: {
    full: { type: 'boolean' },
    rounds: { type: 'string' },
    events: { type: 'string' },
    only: { type: 'string' },
    setting: { type: 'string' },
  },
})

const inOwnProcess = async (contest: string, setting: Setting): Promise<readonly Finding[]> => {
  const words = [...process.execArgv, fileURLToPath(import.meta.url), '--only', contest]
  const child = spawn(process.execPath, [...words, '--setting', JSON.stringify(setting)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const output = await text(child.stdout)
  const [code, signal] = (await exit) as [number | null, string | null]
  if (code !== 0) throw new Error(`'${contest}' ended with ${signal ?? code}`)
  return JSON.parse(output) as readonly Finding[]
}

const line = ({ figure, spread, goal, met, contest, details }: Finding): string =>
  [
    figure.padStart(9),
    spread.padEnd(15),
    goal.padEnd(17),
    (met ? 'MET' : 'NOT MET').padEnd(8),
    contest.padEnd(36),
    details,
  ]
    .join(' ')
    .trimEnd()

const versionOf = async (url: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  return rows[0]!.server_version
}

const report = async (): Promise<void> => {
  const database = await startDatabase()
  try {
    const setting: Setting = {
      url: database.url,
      rounds: Number(values.rounds ?? (values.full ? 9 : 3)),
      ms: values.full ? 3000 : 1000,
      events: Number(values.events ?? 50_000),
    }
    const on = `Node ${process.version}, Postgres ${await versionOf(database.url)}`
    console.log(`${on}, ${setting.rounds} interleaved rounds; medians, and the lowest and highest\n`)
    for (const contest of values.only ? [values.only] : Object.keys(contests)) {
      for (const finding of await inOwnProcess(contest, setting)) console.log(line(finding))
    }
  } finally {
    await database.stop()
  }
}

if (values.setting === undefined) await report()
else {
  const findings = await contests[values.only!]!(JSON.parse(values.setting) as Setting)
  process.stdout.write(JSON.stringify(findings))
}
