import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Result, Setting } from '../harness/section.ts'
import { Ticked, workOf } from './message.ts'
import { freshPool } from './pool.ts'
import { storedBus } from './queues/buslane.ts'
import { serversOf } from './sides.ts'

interface Victim {
  readonly url: string
  readonly schema: string
  readonly leaseMs?: number | undefined
}

const SCHEMA = 'bench_takeover'
const THIS_FILE = fileURLToPath(import.meta.url)

/** How long after the death of a worker another one begins what it was handling. */
const takeoverMs = async (victim: Victim): Promise<number> => {
  const pool = await freshPool(victim.url, victim.schema)
  const bus = storedBus(pool, victim)
  await bus.start() // handles nothing yet
  const child = fork(THIS_FILE, [JSON.stringify(victim)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message') // it is ready
  const began = once(child, 'message')
  await bus.publish(Ticked(workOf(0)))
  await began
  const taken = Promise.withResolvers<number>()
  bus.on(Ticked, () => taken.resolve(performance.now()), { name: 'works' })
  const killedAt = performance.now()
  child.kill('SIGKILL')
  const ms = (await taken.promise) - killedAt
  await bus.stop()
  await pool.end()
  return ms
}

const CASES: readonly { readonly contest: string; readonly leaseMs?: number; readonly goal: number }[] = [
  { contest: 'takeover after kill -9, as it comes', goal: 10 },
  { contest: 'takeover after kill -9, leases of 1 s', leaseMs: 1000, goal: 2 },
]

export const takeover = async (setting: Setting): Promise<readonly Result[]> => {
  const { databaseUrl: url } = serversOf(setting)
  const rounds = { quick: 1, normal: 1, full: 3 }[setting.scale]
  const results: Result[] = []
  for (const { contest, leaseMs, goal } of CASES) {
    const values: number[] = []
    for (let round = 0; round < rounds; round++)
      values.push((await takeoverMs({ url, schema: SCHEMA, leaseMs })) / 1000)
    results.push({ kind: 'figure', contest, of: 'Buslane', unit: 's', values, goal })
  }
  return results
}

/** The process that dies: it begins an event and never ends it. */
const bePatient = async ({ url, schema, leaseMs }: Victim): Promise<void> => {
  const bus = storedBus(await freshPool(url), { schema, leaseMs })
  const work = async (): Promise<void> => {
    process.send!('began')
    await new Promise(() => undefined)
  }
  bus.on(Ticked, work, { name: 'works' })
  await bus.start()
  process.send!('ready')
}

if (process.argv[1] === THIS_FILE) await bePatient(JSON.parse(process.argv[2]!) as Victim)
