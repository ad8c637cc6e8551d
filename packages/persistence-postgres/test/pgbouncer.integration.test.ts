import { createBus, defineEvent } from '@buslane/core'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence, type PostgresOptions } from '../src/index.ts'
import { pgBouncerBinary, startPgBouncer } from './support/pgbouncer.ts'
import { until } from './support/until.ts'

// BUSLANE_TEST_PGBOUNCER names a PgBouncer, if none is on the path.

const connectionString = inject('connectionString')
const binary = pgBouncerBinary()
const absent = 'no PgBouncer is installed, and BUSLANE_TEST_PGBOUNCER names none'

const Counted = defineEvent<{ n: number }>('pgbouncer.counted', { durable: true })

let schemas = 0

const newSchema = (): string => {
  const schema = `pgbouncer_${process.pid}_${++schemas}`
  onTestFinished(async () => {
    const client = new pg.Client({ connectionString })
    await client.connect()
    await client.query(`drop schema if exists "${schema}" cascade`)
    await client.end()
  })
  return schema
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const busOn = async (options: PostgresOptions, handled: number[]) => {
  const persistence = postgresPersistence({ logger: quiet, ...options })
  const bus = createBus({
    persistence,
    logger: quiet,
    lane: ({ payload }) => `lane ${(payload as { n: number }).n % 10}`,
  })
  bus.on(Counted, ({ payload: { n } }) => void handled.push(n), { name: 'count' })
  await bus.start()
  onTestFinished(async () => void (await bus.stop()))
  return bus
}

it('C-67 two processes handle what both publish through transaction pooling, each event once, lanes in order', async ({
  skip,
}) => {
  skip(binary === undefined, absent)
  await using bouncer = await startPgBouncer(binary!, connectionString)
  const options = { connectionString: bouncer.connectionString, schema: newSchema() }
  const handled: number[] = []
  const buses = [await busOn(options, handled), await busOn(options, handled)]
  for (let from = 0; from < 2000; from += 200) {
    // Each bus its own lanes: the publishes of one process keep their order.
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => buses[(from + index) % 2]!.publish(Counted({ n: from + index }))),
    )
  }
  await until(() => handled.length === 2000, 30_000)
  expect(new Set(handled).size).toBe(2000)
  for (let lane = 0; lane < 10; lane++) {
    const ofLane = handled.filter((n) => n % 10 === lane)
    expect(ofLane).toEqual(ofLane.toSorted((a, b) => a - b))
  }
  await Promise.all(buses.map((bus) => bus.stop()))
})

it('C-67 R-DUR-7 a transaction through the pooler publishes with its commit, and leaves nothing after a rollback', async ({
  skip,
}) => {
  skip(binary === undefined, absent)
  await using bouncer = await startPgBouncer(binary!, connectionString)
  const handled: number[] = []
  const bus = await busOn({ connectionString: bouncer.connectionString, schema: newSchema() }, handled)
  const client = new pg.Client({ connectionString: bouncer.connectionString })
  await client.connect()
  await client.query('begin')
  await bus.publish(Counted({ n: 1 }), { transaction: client })
  await client.query('rollback')
  await client.query('begin')
  await bus.publish(Counted({ n: 2 }), { transaction: client })
  await client.query('commit')
  await client.end()
  await until(() => handled.length > 0)
  await bus.idle()
  expect(handled).toEqual([2])
  await bus.stop()
})

it('C-67 C-68 hints come by a connection past the pooler', async ({ skip }) => {
  skip(binary === undefined, absent)
  await using bouncer = await startPgBouncer(binary!, connectionString)
  const schema = newSchema()
  const handled: number[] = []
  const slow = { schema, pollMs: 60_000, sweepMs: 60_000, connectionString: bouncer.connectionString }
  const bus = await busOn({ ...slow, listenConnectionString: connectionString }, handled)
  const publisher = createBus({ persistence: postgresPersistence({ ...slow, logger: quiet }), logger: quiet })
  await publisher.publish(Counted({ n: 1 }))
  await until(() => handled.length === 1)
  await publisher.stop()
  await bus.stop()
})
