import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type BusSetting, freshPool, payload, storedBus, Ticked } from './contestants.ts'

/** How long after the death of a worker another one begins what it was handling. */
export const takeover = async (url: string, setting: BusSetting): Promise<number> => {
  const pool = await freshPool(url, setting.schema)
  const bus = storedBus(pool, setting)
  await bus.start() // handles nothing yet
  const lease = setting.leaseMs === undefined ? [] : [String(setting.leaseMs)]
  const words = [...process.execArgv, fileURLToPath(import.meta.url), url, setting.schema, ...lease]
  const victim = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(victim.stdout, 'data') // it is ready
  const began = once(victim.stdout, 'data')
  await bus.publish(Ticked(payload(0)))
  await began
  const taken = Promise.withResolvers<number>()
  bus.on(Ticked, () => taken.resolve(performance.now()), { name: 'works' })
  const killedAt = performance.now()
  victim.kill('SIGKILL')
  const ms = (await taken.promise) - killedAt
  await bus.stop()
  await pool.end()
  return ms
}

/** The process that dies: it begins an event and never ends it. */
const bePatient = async (url: string, schema: string, leaseMs: number | undefined): Promise<void> => {
  const { Pool } = (await import('pg')).default
  const bus = storedBus(new Pool({ connectionString: url }), { schema, leaseMs })
  bus.on(
    Ticked,
    async () => {
      console.log('began')
      await new Promise(() => undefined)
    },
    { name: 'works' },
  )
  await bus.start()
  console.log('ready')
}

const [, script, url, schema, leaseMs] = process.argv
if (script === fileURLToPath(import.meta.url) && url && schema) {
  await bePatient(url, schema, leaseMs === undefined ? undefined : Number(leaseMs))
}
