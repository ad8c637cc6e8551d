import { randomUUID } from 'node:crypto'
import { createBus, defineEvent } from '@buslane/core'
import pg from 'pg'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { manyEvents, newEvent, openStore, request, wrongLanes } from './support/store.ts'
import { until } from './support/until.ts'

const connectionString = inject('connectionString')

describe('releaseUnknown', () => {
  it('R-DUR-3 gives back what the worker does not know of, as if it had never been claimed', async () => {
    await using opened = await openStore(connectionString)
    const { store } = opened
    const { worker } = await store.join({ name: 'worker' })
    const other = await store.join({ name: 'other' })
    await store.append(
      manyEvents(4, (index) => ({ lane: index < 2 ? 'lane' : undefined, id: `${index}` })),
      undefined,
    )
    const { events } = await store.claim(request(worker))
    const known = events.filter(({ message: { id } }) => id === '0' || id === '2').map(({ lease }) => lease)
    expect(await store.releaseUnknown!(worker, known)).toBe(2)
    const again = await store.claim(request(other.worker))
    expect(
      again.events.map(({ message: { id }, unreported, interruptions }) => [id, unreported, interruptions]),
    ).toEqual([['3', 0, 0]])
    const answers = await store.report(known.map((lease) => ({ kind: 'complete', lease })))
    expect(answers.map(({ status }) => status)).toEqual(['ok', 'ok'])
    expect((await store.claim(request(other.worker))).events.map(({ message: { id } }) => id)).toEqual(['1'])
    expect(await wrongLanes(opened)).toEqual([])
  })

  it('R-DUR-3 waits for a claim that the database still has under way', async () => {
    await using opened = await openStore(connectionString)
    const { client, schema, store } = opened
    const { worker } = await store.join({ name: 'worker' })
    await store.append([newEvent()], undefined)
    await client.query('begin')
    await client.query(`select from "${schema}".workers where worker = '${worker}' for key share`)
    await client.query(
      `update "${schema}".events set state = 'running', worker = '${worker}', token = gen_random_uuid()`,
    )
    const released = store.releaseUnknown!(worker, [])
    await until(async () => (await waitingFor(client)) > 0)
    await client.query('commit')
    expect(await released).toBe(1)
  })
})

/** How many sessions wait for this one. */
const waitingFor = async (client: pg.Client): Promise<number> => {
  const waiting = `select count(*)::int as n from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))`
  return (await client.query<{ n: number }>(waiting)).rows[0]!.n
}

describe('progress that may be skipped', () => {
  it('R-DUR-15 does not wait for a transaction that has the event, and is written when that is over', async () => {
    await using opened = await openStore(connectionString)
    const { client, schema, store } = opened
    const { worker } = await store.join({ name: 'worker' })
    await store.append([newEvent(), newEvent()], undefined)
    const { events } = await store.claim(request(worker))
    const [lease, free] = events.map((event) => event.lease)
    await client.query('begin')
    expect(await store.completeIn!(client, lease!, 'first', 1)).toBe('ok')
    const progress = { second: { status: 'done', attempts: 1 } } as const
    const report = { kind: 'progress', lease: lease!, progress, skipLocked: true } as const
    const stale = { ...report, lease: { key: lease!.key, token: randomUUID() } }
    expect(await store.report([report, { ...report, lease: free! }])).toEqual([
      { status: 'ok', skipped: true },
      { status: 'ok' },
    ])
    expect(await store.report([stale])).toEqual([{ status: 'lost' }])
    await client.query('commit')
    expect(await store.report([report])).toEqual([{ status: 'ok' }])
    const { rows } = await client.query<{ progress: string }>(
      `select progress from "${schema}".events where key = ${lease!.key}`,
    )
    expect(Object.keys(JSON.parse(rows[0]!.progress) as object).sort()).toEqual(['first', 'second'])
  })

  it('R-DUR-6 is written while a handler that has completed in a transaction goes on', async () => {
    const schema = `skipped_${process.pid}`
    const client = new pg.Client({ connectionString })
    await client.connect()
    onTestFinished(async () => {
      await client.query(`drop schema "${schema}" cascade`)
      await client.end()
    })
    const Two = defineEvent('lost-answers.two', { durable: true })
    const bus = createBus({ persistence: postgresPersistence({ connectionString, schema, notify: false }) })
    const inTransaction = Promise.withResolvers<void>()
    const over = Promise.withResolvers<void>()
    bus.on(
      Two,
      async (_, context) => {
        await client.query('begin')
        await context.completeIn(client)
        inTransaction.resolve()
        await over.promise
      },
      { name: 'transaction' },
    )
    bus.on(Two, () => inTransaction.promise, { name: 'other' })
    await bus.start()
    await bus.publish(Two(undefined))
    await inTransaction.promise
    await new Promise((resolve) => setTimeout(resolve, 50))
    await client.query('commit')
    const progress = `select progress from "${schema}".events where progress like '%other%'`
    await until(async () => (await client.query(progress)).rowCount === 1)
    over.resolve()
    await bus.stop()
  })
})
