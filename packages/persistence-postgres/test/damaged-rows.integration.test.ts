import { createBus, defineEvent } from '@buslane/core'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { until } from './support/until.ts'

// What somebody's statement did to a row: the others must not suffer for it (R-DUR-9).

const connectionString = inject('connectionString')
const Damaged = defineEvent('damaged', { durable: true })
const Whole = defineEvent('whole', { durable: true })
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

let schemas = 0

const opened = async () => {
  const schema = `damaged_${process.pid}_${++schemas}`
  const client = new pg.Client({ connectionString })
  await client.connect()
  const persistence = postgresPersistence({ connectionString, schema, logger: quiet })
  const bus = createBus({ persistence, logger: quiet, lane: () => undefined })
  onTestFinished(async () => {
    await bus.stop({ timeoutMs: 0 })
    await persistence.close()
    await client.query(`drop schema "${schema}" cascade`)
    await client.end()
  })
  return { schema, client, persistence, bus }
}

it.each([
  ["progress = '{{{'"],
  ["progress = 'null'"],
  [`progress = '{"handler":null}'`],
  ["progress = '[]'"],
  ["handlers = 'zz'"],
  [`handlers = '{"a":1}'`],
  ["handlers = 'null', progress = '7'"],
])('R-DUR-9 C-32 a row with %s is set aside as undecodable, and the others are handled', async (damage) => {
  const { schema, client, persistence, bus } = await opened()
  // Nobody handles them yet.
  await bus.start()
  await bus.publish(Damaged())
  for (let n = 0; n < 10; n++) await bus.publish(Whole())
  await client.query(`update "${schema}".events set ${damage} where type = 'damaged'`)
  let handled = 0
  bus.on(Damaged, () => void handled++, { name: 'damaged' })
  bus.on(Whole, () => void handled++, { name: 'whole' })
  await until(async () => handled === 10 && (await persistence.inspect.counts()).undecodable === 1)
  const { entries } = await persistence.inspect.list({ state: 'undecodable' })
  expect(entries).toMatchObject([{ message: { type: 'damaged' }, error: { message: expect.any(String) } }])
  expect(bus.health()).toMatchObject({ status: 'healthy' })
})

it('R-DUR-9 a damaged event that its process left behind does not keep the sweep from giving back the others', async () => {
  const { schema, client, persistence, bus } = await opened()
  const Once = defineEvent('once', { durable: true, onCrash: 'fail' })
  await bus.start()
  await bus.publish(Once())
  await client.query(`
    with gone as (
      insert into "${schema}".workers (name, host, pid, started_at, lease_until, dead_at) values ('gone', 'gone', 1, 0, 0, 1) returning worker)
    update "${schema}".events set state = 'running', worker = (select worker from gone), token = gen_random_uuid(), started = true,
      progress = '{{{', error = 'zz'`)
  await until(async () => (await persistence.inspect.counts()).deadLetters === 1)
  const { entries } = await persistence.deadLetters!.list()
  expect(entries).toMatchObject([{ reason: 'interrupted', progress: {}, error: { name: 'unreadable', message: 'zz' } }])
})
