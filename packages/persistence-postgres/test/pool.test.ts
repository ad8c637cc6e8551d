import type pg from 'pg'
import { expect, it } from 'vitest'
import { openPool, type PooledClient, type PostgresPool, safePool } from '../src/pool.ts'

const failure = (code: string): Error => Object.assign(new Error(code), { code })

/** A pool whose one client answers with what `answer` does, and notes what became of it. */
const fakePool = (answer: (query: readonly unknown[]) => unknown) => {
  const listeners: { readonly event: string; readonly listener: (about: never) => void }[] = []
  const released: unknown[] = []
  const asked: (readonly unknown[])[] = []
  const client: PooledClient = {
    query: async (...query) => {
      asked.push(query)
      return answer(query)
    },
    release: (destroy) => void released.push(destroy),
  }
  const pool: PostgresPool = {
    connect: () => Promise.resolve(client),
    end: () => Promise.resolve(),
    on: (event: string, listener: (about: never) => void) => listeners.push({ event, listener }),
    off: (event: string, listener: (about: never) => void) =>
      listeners.splice(
        listeners.findIndex((one) => one.event === event && one.listener === listener),
        1,
      ),
  }
  return { pool, released, asked, listeners }
}

const connect = async (pool: PostgresPool): Promise<Pick<PooledClient, 'query' | 'release'>> =>
  safePool(pool).pool.connect()

it('C-66 discards a connection that leads to a read-only standby, and keeps one that failed otherwise', async () => {
  for (const [code, destroyed] of [
    ['25006', true],
    ['23505', undefined],
  ] as const) {
    const { pool, released } = fakePool(() => {
      throw failure(code)
    })
    const client = await connect(pool)
    await expect(client.query('insert')).rejects.toMatchObject({ code })
    client.release()
    expect(released[0] || undefined).toBe(destroyed)
  }
})

it('C-66 does not use a connection that was idle when another turned out to be read-only', async () => {
  const { pool, released } = fakePool(() => ({ rows: [] }))
  const standby = fakePool(() => {
    throw failure('25006')
  })
  const primary = fakePool(() => ({ rows: ['primary'] }))
  const connections = [pool, standby.pool, pool, primary.pool]
  const failedOver = safePool({ ...pool, connect: () => connections.shift()!.connect() }).pool
  ;(await failedOver.connect()).release()
  const reading = await failedOver.connect()
  await expect(reading.query('insert', [])).rejects.toMatchObject({ code: '25006' })
  reading.release()
  const next = await failedOver.connect()
  expect(await next.query('insert', [])).toEqual({ rows: ['primary'] })
  next.release()
  expect(released.map(Boolean)).toEqual([false, true])
  expect(primary.released.map(Boolean)).toEqual([false])
})

it('hears the errors of idle connections until it is released', () => {
  const { pool, listeners } = fakePool(() => undefined)
  const { release } = safePool(pool)
  expect(listeners.map(({ event }) => event)).toEqual(['error', 'connect'])
  expect(() => listeners[0]!.listener(new Error('gone') as never)).not.toThrow()
  release()
  expect(listeners).toEqual([])
})

it('keeps marked statements prepared under a name of their own, and others not', async () => {
  const { pool, asked } = fakePool(() => ({ rows: [] }))
  const client = await connect(pool)
  await client.query('/* buslane: prepared */ select $1', [1])
  await client.query('/* buslane: prepared */ select $1', [2])
  await client.query('/* buslane: prepared */ select $2', [3])
  await client.query('select 4', [])
  const names = asked.map(([query]) => (query as { name?: string }).name)
  expect(names[0]).toMatch(/^buslane_[0-9a-f]{32}$/)
  expect(names[1]).toBe(names[0])
  expect(names[2]).not.toBe(names[0])
  expect(names[3]).toBeUndefined()
})

it.for(['26000', '42P05', '0A000'])(
  'C-67 prepares no more behind a pooler that says %s, and asks again without',
  async (code) => {
    const { pool, asked } = fakePool(([query]) => {
      if (typeof query !== 'string') throw failure(code)
      return { rows: ['answer'] }
    })
    const client = await connect(pool)
    const text = '/* buslane: prepared */ select 1'
    expect(await client.query(text, [])).toEqual({ rows: ['answer'] })
    expect(await client.query(text, [])).toEqual({ rows: ['answer'] })
    expect(asked).toHaveLength(3)
  },
)

it('C-65 hears the errors of a connection from the moment when it is made, once', async () => {
  const heard: string[] = []
  const { pool, listeners } = fakePool(() => undefined)
  const client: PooledClient = { query: () => undefined, on: (event) => heard.push(event), release: () => {} }
  const safe = safePool({ ...pool, connect: () => Promise.resolve(client) })
  for (const { listener } of listeners.filter(({ event }) => event === 'connect')) listener(client as never)
  expect(heard).toEqual(['error'])
  await safe.pool.connect()
  expect(heard).toEqual(['error'])
})

it('C-65 hears the errors of a connection of its own pool before that is made', async () => {
  const pool = (await openPool('postgres://127.0.0.1:1/none', { max: 1, connectMs: 1000 })) as unknown as pg.Pool
  const client = new (pool as unknown as { readonly Client: typeof pg.Client }).Client()
  expect(client.listenerCount('error')).toBe(1)
  await pool.end()
})
