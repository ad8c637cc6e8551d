import { createBus, defineEvent } from '@buslane/core'
import { TcpProxy } from '@buslane/testkit/crash'
import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { postgresPersistence } from '../src/index.ts'

const Worked = defineEvent('bus.worked', { durable: true })
const Plain = defineEvent('bus.plain')
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

it('C-72 R-DUR-10 no transaction is open while a handler runs', async () => {
  const schema = `bus_${process.pid}`
  const name = `buslane-${schema}`
  const watcher = new pg.Client({ connectionString: inject('connectionString') })
  await watcher.connect()
  const url = new URL(inject('connectionString'))
  url.searchParams.set('application_name', name)
  const bus = createBus({ persistence: postgresPersistence({ connectionString: url.href, schema }) })
  const handled = Promise.withResolvers<readonly { readonly state: string }[]>()
  bus.on(
    Worked,
    async () => {
      const { rows } = await watcher.query<{ state: string }>(
        "select state from pg_stat_activity where application_name = $1 and state like 'idle in transaction%'",
        [name],
      )
      handled.resolve(rows)
    },
    { name: 'work' },
  )
  try {
    await bus.start()
    await bus.publish(Worked())
    expect(await handled.promise).toEqual([])
  } finally {
    await bus.stop()
    await watcher.query(`drop schema if exists "${schema}" cascade`)
    await watcher.end()
  }
})

it.each(['hold', 'cut'] as const)(
  'C-63 R-SCH-4 works in memory while the server is away (%s), refuses what must be stored, and comes back by itself',
  async (trouble) => {
    const schema = `bus_${process.pid}_${trouble}`
    const url = new URL(inject('connectionString'))
    await using proxy = await TcpProxy.to({ port: Number(url.port), host: url.hostname })
    url.port = String(proxy.port)
    url.hostname = '127.0.0.1'
    const persistence = postgresPersistence({ connectionString: url.href, schema, connectMs: 1000, logger: quiet })
    const bus = createBus({ persistence, logger: quiet, lane: () => undefined })
    let handled = 0
    bus.on(Worked, () => void handled++, { name: 'work' })
    bus.on(Plain, () => 'in memory')
    await bus.start()
    await bus.publish(Worked())
    await bus.idle()
    proxy[trouble]()
    await expect(bus.publish(Worked())).rejects.toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
    await expect(bus.publishAndWait(Plain())).resolves.toMatchObject({ failed: 0 })
    proxy.restore()
    await expect.poll(() => bus.health().status, { timeout: 10_000 }).toBe('healthy')
    await bus.publish(Worked())
    // The refused one may have been stored all the same.
    await expect.poll(() => handled, { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
    await bus.stop()
    const client = new pg.Client({ connectionString: inject('connectionString') })
    await client.connect()
    await client.query(`drop schema if exists "${schema}" cascade`)
    await client.end()
  },
)
