import { isBusError } from '@buslane/core'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { embeddedDatabase } from './support/database.ts'
import { refusingPort } from './support/refusing-port.ts'
import { Kept, Plain, publishing, troubledBus } from './support/trouble.ts'
import { until } from './support/until.ts'

// A server of its own, which comes and goes.

/** Every pause between attempts is at its longest after that: 2 s for the store, and nearly 10 s for hints. */
const AWAY_MS = Number(process.env['BUSLANE_TEST_AWAY_MS'] ?? 14_000)

let database: Awaited<ReturnType<typeof embeddedDatabase>>

beforeAll(async () => {
  database = await embeddedDatabase()
})

afterAll(() => database.stop())

const setUp = () => troubledBus({ connectionString: database.connectionString })

const query = async <Row extends object>(...statements: readonly string[]): Promise<readonly Row[]> => {
  const client = new pg.Client({ connectionString: database.connectionString, application_name: 'watcher' })
  client.on('error', () => {}) // the server may be stopped before the end is answered
  await client.connect()
  try {
    let rows: readonly Row[] = []
    for (const statement of statements) ({ rows } = await client.query<Row>(statement))
    return rows
  } finally {
    await client.end()
  }
}

const keptOf = (seen: readonly string[]): readonly string[] => seen.filter((what) => what.startsWith('kept'))

const unhandled = (accepted: readonly number[], seen: readonly string[]): readonly number[] => {
  const handled = new Set(seen)
  return accepted.filter((n) => !handled.has(`kept ${n}`))
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
  const publisher = publishing(bus)
  await until(() => seen.length > 200)
  await database.shutDown()
  await until(() => seen.includes('degraded'))
  await bus.publish(Plain({ n: 1 }))
  await until(() => seen.includes('plain 1'))
  await database.start()
  const backAt = performance.now()
  await until(() => seen.includes('recovered'))
  expect(performance.now() - backAt).toBeLessThan(5000)
  await until(() => keptOf(seen).length > 400)
  const accepted = await publisher.stop()
  await until(() => bus.stats().stored?.leased === 0)
  await bus.idle()
  expect(unhandled(accepted, seen)).toEqual([])
  expect(new Set(keptOf(seen)).size).toBe(keptOf(seen).length)
  expect(logger.lines.length).toBeLessThan(10)
  await bus.stop()
})

it(
  `R-SCH-4 C-63 a database that is away for ${AWAY_MS / 1000} s costs few connection attempts and log lines, and no event in memory waits`,
  { timeout: AWAY_MS + 60_000 },
  async () => {
    const { bus, logger, seen } = setUp()
    await bus.start()
    const publisher = publishing(bus)
    await until(() => seen.length > 200)
    await database.shutDown()
    const awayAt = performance.now()
    let plain = 0
    let longestMs = 0
    {
      await using port = await refusingPort(database.connectionString)
      while (performance.now() - awayAt < AWAY_MS) {
        const publishedAt = performance.now()
        await bus.publish(Plain({ n: ++plain }))
        await until(() => seen.includes(`plain ${plain}`))
        longestMs = Math.max(longestMs, performance.now() - publishedAt)
      }
      // What was under way when it went, then one every two seconds, and those for hints.
      expect(port.attempts()).toBeLessThan(25 + AWAY_MS / 1500)
      expect(port.attempts()).toBeGreaterThan(3)
    }
    expect(longestMs).toBeLessThan(1000)
    expect(logger.lines.length).toBeLessThan(8)
    const handledBefore = keptOf(seen).length
    await database.start()
    const backAt = performance.now()
    await until(() => seen.includes('recovered') && keptOf(seen).length > handledBefore)
    expect(performance.now() - backAt).toBeLessThan(5000)
    const accepted = await publisher.stop()
    await until(() => bus.stats().stored?.leased === 0)
    await bus.idle()
    expect(unhandled(accepted, seen)).toEqual([])
    expect(logger.lines.length).toBeLessThan(12)
    await bus.stop()
  },
)

it('C-66 a database that becomes read-only is left by every connection, and used again when it can be written', async () => {
  const { bus, logger, seen } = setUp()
  await bus.start()
  const publisher = publishing(bus)
  await until(() => seen.length > 200)
  const connections = `select pid from pg_stat_activity where application_name = 'buslane' and query not like 'listen %'`
  const before = await query<{ pid: number }>(
    'alter system set default_transaction_read_only = on',
    'select pg_reload_conf()',
    connections,
  )
  await until(() => seen.includes('degraded'))
  const refused = await bus.publish(Kept({ n: 0 })).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
  await bus.publish(Plain({ n: 1 }))
  await until(() => seen.includes('plain 1'))
  await query(
    'set default_transaction_read_only = off',
    'alter system reset default_transaction_read_only',
    'select pg_reload_conf()',
  )
  const writableAt = performance.now()
  await until(() => seen.includes('recovered'))
  expect(performance.now() - writableAt).toBeLessThan(5000)
  const [recovered] = await query<{ at: string }>('select clock_timestamp()::text as at')
  const handledBefore = keptOf(seen).length
  await until(() => keptOf(seen).length > handledBefore + 100)
  // One that nobody has asked for since lies in the pool until it is asked for, and is closed then.
  const used = await query<{ pid: number }>(`${connections} and query_start > '${recovered?.at}'`)
  const old = new Set(before.map(({ pid }) => pid))
  expect(used.filter(({ pid }) => old.has(pid))).toEqual([])
  const accepted = await publisher.stop()
  await until(() => unhandled(accepted, seen).length === 0)
  expect(logger.lines.length).toBeLessThan(10)
  await bus.stop()
})

it('C-65 connections that are killed under load, again and again, lose nothing, and the one for hints comes back', async () => {
  const { bus, seen } = setUp()
  await bus.start()
  const publisher = publishing(bus)
  for (let round = 1; round <= 10; round++) {
    const handledBefore = keptOf(seen).length
    await until(() => keptOf(seen).length > handledBefore + 50)
    await query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'buslane'`)
  }
  const accepted = await publisher.stop()
  await until(() => unhandled(accepted, seen).length === 0, 30_000)
  expect(bus.stats().stored?.dead).toBe(0)
  const listening = `select pid from pg_stat_activity where application_name = 'buslane' and query like 'listen %'`
  await until(async () => (await query(listening)).length === 1)
  await bus.stop()
  await until(
    async () => (await query(`select pid from pg_stat_activity where application_name = 'buslane'`)).length === 0,
  )
})
