import { createBus, defineEvent } from '@buslane/core'
import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { postgresPersistence } from '../src/index.ts'

const Worked = defineEvent('bus.worked', { durable: true })

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
