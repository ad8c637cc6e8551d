import { randomUUID } from 'node:crypto'
import type { EventStore } from '@buslane/core'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence, type PostgresOptions } from '../src/index.ts'
import { newEvent } from './support/store.ts'
import { until } from './support/until.ts'

const connectionString = inject('connectionString')

/** A store in a schema of its own, whose connections can be told from others. */
const setUp = async (options: (name: string) => PostgresOptions) => {
  const name = `hints_${randomUUID().slice(0, 8)}`
  const lines: string[] = []
  const logger = { debug() {}, info() {}, error() {}, warn: (_: object, line: string) => void lines.push(line) }
  const persistence = postgresPersistence({ schema: name, logger, ...options(name) })
  const watcher = new pg.Client({ connectionString })
  await watcher.connect()
  onTestFinished(async () => {
    await persistence.close()
    await watcher.query(`drop schema if exists "${name}" cascade`)
    await watcher.end()
  })
  return { name, store: persistence.events, watcher, lines }
}

const poolOf = (name: string, max: number): pg.Pool => {
  const pool = new pg.Pool({ connectionString, max, application_name: name })
  onTestFinished(() => pool.end())
  return pool
}

const named = (name: string): string => {
  const url = new URL(connectionString)
  url.searchParams.set('application_name', name)
  return url.href
}

/** Hears hints; the first tells that it listens. */
const listen = (store: EventStore) => {
  let heard = 0
  let wake = Promise.withResolvers<void>()
  const hints = store.onHint!(() => {
    heard++
    wake.resolve()
  })
  const next = async (): Promise<void> => {
    await wake.promise
    wake = Promise.withResolvers()
  }
  return { next, heard: () => heard, [Symbol.dispose]: () => hints[Symbol.dispose]() }
}

const backends = async (watcher: pg.Client, name: string): Promise<readonly string[]> => {
  const { rows } = await watcher.query<{ query: string }>(
    'select query from pg_stat_activity where application_name = $1',
    [name],
  )
  return rows.map(({ query }) => query)
}

it('R-DUR-10 leaves a pool of one connection to the statements of the store', async () => {
  const { name, store, watcher } = await setUp((own) => ({ pool: poolOf(own, 1) }))
  await store.open()
  using hints = listen(store)
  await hints.next()
  const { worker } = await store.join({ name })
  await store.append([newEvent()], undefined)
  await hints.next()
  await store.leave(worker)
  expect(await backends(watcher, name)).toHaveLength(2)
})

it('C-65 listens again after its connection was killed, and says so once', async () => {
  const { store, watcher, lines, name } = await setUp((own) => ({ connectionString: named(own) }))
  await store.open()
  using hints = listen(store)
  await hints.next()
  for (const _ of [1, 2, 3]) {
    await watcher.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and query like 'listen %'`,
      [name],
    )
    await hints.next()
  }
  await store.append([newEvent()], undefined)
  await hints.next()
  expect(lines).toHaveLength(1)
})

it('C-77 leaves no connection behind after 50 times of opening, listening and closing', async () => {
  const { store, watcher, name } = await setUp((own) => ({ connectionString: named(own), maxConnections: 2 }))
  for (let round = 0; round < 50; round++) {
    await store.open()
    const hints = listen(store)
    // Every other time it is closed while it still connects.
    await (round % 2 === 0 ? hints.next() : Promise.resolve())
    hints[Symbol.dispose]()
    await store.close()
  }
  // A backend ends some time after its client has.
  await until(async () => (await backends(watcher, name)).length === 0)
})

it('tells nobody any more who has stopped to listen', async () => {
  const { store } = await setUp(() => ({ connectionString }))
  await store.open()
  using staying = listen(store)
  const leaving = listen(store)
  await staying.next()
  const heard = leaving.heard()
  leaving[Symbol.dispose]()
  await store.append([newEvent()], undefined)
  await staying.next()
  expect(leaving.heard()).toBe(heard)
})

it.for<[string, (name: string) => PostgresOptions]>([
  ['a Kysely instance', (name) => ({ kysely: kyselyOf(name) })],
  ['a pool that does not say how it connects', (name) => ({ pool: wrapped(poolOf(name, 2)) })],
])('gives no hints with only %s, and does with listenConnectionString', async ([, source]) => {
  const without = await setUp(source)
  expect(without.store).not.toHaveProperty('onHint')
  const { store } = await setUp((name) => ({ ...source(name), listenConnectionString: connectionString }))
  await store.open()
  using hints = listen(store)
  await hints.next()
  await store.append([newEvent()], undefined)
  await hints.next()
})

const kyselyOf = (name: string): Kysely<unknown> =>
  new Kysely({ dialect: new PostgresDialect({ pool: poolOf(name, 2) }) })

const wrapped = (pool: pg.Pool) => ({
  connect: () => pool.connect(),
  end: () => pool.end(),
  on: () => undefined,
})

it('R-DUR-10 a lone append carries its hint in its own commit, and those that follow at once are hinted too', async () => {
  const { store, watcher, name } = await setUp((application) => ({ pool: poolOf(application, 2) }))
  await store.open()
  using hints = listen(store)
  await hints.next()
  const before = hints.heard()
  await store.append([newEvent()], undefined)
  await until(() => hints.heard() === before + 1)
  // What the one connection that was used has run last is the append itself.
  const ran = (await backends(watcher, name)).filter((query) => !/^listen/i.test(query))
  expect(ran.filter((query) => /^notify/i.test(query.trim()))).toEqual([])
  await Promise.all(Array.from({ length: 5 }, () => store.append([newEvent()], undefined)))
  await until(() => hints.heard() > before + 1)
})
