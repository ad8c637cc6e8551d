import {
  createBus,
  defineEvent,
  isBusError,
  type Logger,
  PersistenceDegraded,
  PersistenceRecovered,
} from '@buslane/core'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { embeddedDatabase } from './support/database.ts'
import { until } from './support/until.ts'

// A server of its own, which comes and goes.

const Kept = defineEvent<{ n: number }>('trouble.kept', { durable: true })
const Plain = defineEvent<{ n: number }>('trouble.plain')

let database: Awaited<ReturnType<typeof embeddedDatabase>>
let schemas = 0

beforeAll(async () => {
  database = await embeddedDatabase()
})

afterAll(() => database.stop())

const recordingLogger = (): Logger & { readonly lines: string[] } => {
  const lines: string[] = []
  const add = (_fields: object, message: string): void => void lines.push(message)
  return { lines, debug: () => {}, info: add, warn: add, error: add }
}

const setUp = () => {
  const logger = recordingLogger()
  const seen: string[] = []
  const persistence = postgresPersistence({
    connectionString: database.connectionString,
    schema: `trouble_${++schemas}`,
    connectMs: 1000,
    logger,
  })
  const bus = createBus({ persistence, logger, lane: () => undefined })
  bus.on(Kept, ({ payload }) => void seen.push(`kept ${payload.n}`), { name: 'kept' })
  bus.on(Plain, ({ payload }) => void seen.push(`plain ${payload.n}`), { name: 'plain' })
  bus.on(PersistenceDegraded, () => void seen.push('degraded'))
  bus.on(PersistenceRecovered, () => void seen.push('recovered'))
  return { bus, persistence, logger, seen }
}

it('R-SCH-4 C-63 a bus starts without its database, works in memory, and uses the database within 5 s of its return', async () => {
  const { bus, persistence, logger, seen } = setUp()
  const startedAt = performance.now()
  await bus.start()
  expect(performance.now() - startedAt).toBeLessThan(2000)

  await bus.publish(Plain({ n: 1 }))
  await bus.idle()
  expect(seen).toContain('plain 1')
  const refused = await bus.publish(Kept({ n: 2 })).catch((error: unknown) => error)
  expect(isBusError(refused, 'PERSISTENCE_UNAVAILABLE')).toBe(true)
  const required = bus.schedule(Kept({ n: 3 }), { delayMs: 600_000, durability: 'required' })
  await expect(required).rejects.toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
  const scheduled = await bus.schedule(Kept({ n: 4 }), { delayMs: 600_000 })
  expect(scheduled.durability).toBe('memory')
  expect(bus.stats().stored).toMatchObject({ store: 'down', toBeStored: 1 })
  expect(bus.health().warnings.map(({ code }) => code)).toContain('PERSISTENCE_DEGRADED')

  await database.start()
  const backAt = performance.now()
  await until(() => seen.includes('recovered'))
  expect(performance.now() - backAt).toBeLessThan(5000)
  await until(() => bus.stats().stored?.toBeStored === 0)
  expect((await persistence.inspect.counts()).scheduled).toBe(1)
  expect(await scheduled.cancel()).toBe('cancelled')
  await bus.publish(Kept({ n: 5 }))
  await bus.idle()
  expect(seen).toContain('kept 5')
  expect(logger.lines.length).toBeLessThan(5)
  await bus.stop()
})

it('R-SCH-4 C-63 C-64 a database that goes away under load loses nothing that was accepted, and handles nothing twice', async () => {
  const { bus, logger, seen } = setUp()
  await bus.start()
  const accepted: number[] = []
  let n = 0
  let publishing = true
  const publisher = (async () => {
    while (publishing) {
      const batch = Array.from({ length: 20 }, async () => {
        const mine = ++n
        const receipt = await bus.publish(Kept({ n: mine })).catch(() => undefined)
        accepted.push(...(receipt ? [mine] : []))
      })
      await Promise.all(batch)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  await until(() => seen.length > 200)
  await database.shutDown()
  await until(() => seen.includes('degraded'))
  await bus.publish(Plain({ n: 1 }))
  await until(() => seen.includes('plain 1'))
  await database.start()
  const backAt = performance.now()
  await until(() => seen.includes('recovered'))
  expect(performance.now() - backAt).toBeLessThan(5000)
  await until(() => seen.filter((what) => what.startsWith('kept')).length > 400)
  publishing = false
  await publisher
  await until(() => bus.stats().stored?.leased === 0)
  await bus.idle()
  const kept = seen.filter((what) => what.startsWith('kept'))
  expect(accepted.filter((number) => !kept.includes(`kept ${number}`))).toEqual([])
  expect(new Set(kept).size).toBe(kept.length)
  expect(logger.lines.length).toBeLessThan(10)
  await bus.stop()
})

it('C-65 connections that are killed under load lose nothing', async () => {
  const { bus, seen } = setUp()
  await bus.start()
  const killer = new pg.Client({ connectionString: database.connectionString })
  await killer.connect()
  const accepted: number[] = []
  for (let n = 1; n <= 300; n++) {
    const receipt = await bus.publish(Kept({ n })).catch(() => undefined)
    accepted.push(...(receipt ? [n] : []))
    if (n % 50 === 0) {
      await killer.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'buslane'`)
    }
  }
  await killer.end()
  await until(() => accepted.every((n) => seen.includes(`kept ${n}`)))
  expect(bus.stats().stored?.dead).toBe(0)
  await bus.stop()
})
