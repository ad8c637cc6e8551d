import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { insertEvents } from '../src/append-statement.ts'
import type { StoreContext } from '../src/context.ts'
import { createDatabase } from '../src/database.ts'
import { raiseIfNeeded, raiseMarks } from '../src/low-water.ts'
import { storeConfig } from '../src/options.ts'
import { manyEvents, newEvent, openStore, type OpenedStore, request, wrongLanes } from './support/store.ts'

const connectionString = inject('connectionString')

const contextOf = ({ schema }: OpenedStore): StoreContext => {
  const pool = new pg.Pool({ connectionString, max: 2 })
  onTestFinished(() => pool.end())
  const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  return { db: createDatabase(kysely, schema), config: storeConfig({}), turned: 1_000_000 } as unknown as StoreContext
}

const marksOf = async ({ client, schema }: OpenedStore) => {
  const { rows } = await client.query<{ lane_era: number; late_era: number; floor: number }>(
    `select * from "${schema}".watermarks`,
  )
  return rows[0]!
}

const idsOf = async ({ store }: OpenedStore, worker: string, limit = 100): Promise<readonly string[]> =>
  (await store.claim(request(worker, { limit, start: 0 }))).events.map(({ message }) => message.id)

it('R-PRI-5 what is stored below the marks goes first, before and after they are moved again', async () => {
  await using opened = await openStore(connectionString)
  const { store } = opened
  const context = contextOf(opened)
  const { worker } = await store.join({ name: 'worker' })
  await raiseMarks(context)
  expect((await marksOf(opened)).floor).toBeGreaterThan(0)
  await store.append(
    [
      newEvent({ id: 'usual' }),
      newEvent({ id: 'urgent', orderOffsetMs: -60_000 }),
      newEvent({ id: 'of the bus', serial: true, orderOffsetMs: -50_000 }),
      newEvent({ id: 'late', orderOffsetMs: 60_000 }),
    ],
    undefined,
  )
  expect(await idsOf(opened, worker, 1)).toEqual(['urgent'])
  await raiseMarks(context)
  await store.append([newEvent({ id: 'more urgent', orderOffsetMs: -70_000 })], undefined)
  await raiseMarks(context)
  expect(await idsOf(opened, worker)).toEqual(['more urgent', 'of the bus', 'usual', 'late'])
})

it('R-PRI-5 the marks never pass what waits', async () => {
  await using opened = await openStore(connectionString)
  const { store } = opened
  const context = contextOf(opened)
  const { worker } = await store.join({ name: 'worker' })
  const [first] = await store.append([newEvent({ id: 'waits' })], undefined)
  await new Promise((resolve) => setTimeout(resolve, 5))
  await raiseMarks(context)
  expect((await marksOf(opened)).floor).toBe((first as { orderKey: number }).orderKey)
  expect(await idsOf(opened, worker)).toEqual(['waits'])
})

it.for(['release', 'retry', 'leave'] as const)(
  'R-PRI-5 what is given back below the marks by %s is claimed again, before what is later',
  async (how) => {
    await using opened = await openStore(connectionString)
    const { store } = opened
    const context = contextOf(opened)
    const { worker } = await store.join({ name: 'worker' })
    const other = await store.join({ name: 'other' })
    await store.append([newEvent({ id: 'given back' })], undefined)
    const { events } = await store.claim(request(worker))
    const { lease } = events[0]!
    await new Promise((resolve) => setTimeout(resolve, 5))
    await raiseMarks(context)
    await store.append([newEvent({ id: 'later' })], undefined)
    const ways = {
      release: () => store.report([{ kind: 'release', lease }]),
      retry: () => store.report([{ kind: 'retry', lease, progress: {}, delayMs: 0 }]),
      leave: () => store.leave(worker),
    }
    await ways[how]()
    await raiseMarks(context)
    expect(await idsOf(opened, other.worker)).toEqual(['given back', 'later'])
  },
)

it('R-LANE-3 lanes are what they were when the marks have moved: held, waiting, in order', async () => {
  await using opened = await openStore(connectionString)
  const { store } = opened
  const context = contextOf(opened)
  const one = await store.join({ name: 'one' })
  const two = await store.join({ name: 'two' })
  await store.append(
    manyEvents(6, (index) => ({ lane: `lane ${index % 2}`, id: `${index}` })),
    undefined,
  )
  const { events } = await store.claim(request(one.worker, { limit: 1, laneLimit: 1 }))
  expect(events.map(({ message }) => message.id)).toEqual(['0'])
  await raiseMarks(context)
  expect(await wrongLanes(opened)).toEqual([])
  await store.append([newEvent({ lane: 'lane 0', id: '6' })], undefined)
  expect(await idsOf(opened, two.worker)).toEqual(['1', '3', '5'])
  await raiseMarks(context)
  await store.report(events.map(({ lease }) => ({ kind: 'complete', lease })))
  expect(await idsOf(opened, two.worker)).toEqual(['2', '4', '6'])
  expect(await wrongLanes(opened)).toEqual([])
})

it('does not move the marks while a statement that makes events ready is under way', async () => {
  await using opened = await openStore(connectionString)
  const { client, schema, store } = opened
  const context = contextOf(opened)
  const before = await marksOf(opened)
  const { statement } = insertEvents(context, [newEvent()], { worker: undefined })
  const { sql, parameters } = context.db.compile(statement)
  // Prepared, and run often enough for a plan that is used again: that one locks what is in it, and no more.
  for (let run = 0; run < 8; run++) await client.query({ name: 'append', text: sql, values: [...parameters] })
  await client.query('begin')
  await client.query({ name: 'append', text: sql, values: [...parameters] })
  await expect(raiseMarks(context)).rejects.toMatchObject({ code: '55P03' })
  context.turned = 1_000_000
  await raiseIfNeeded(context)
  await client.query('commit')
  expect(await marksOf(opened)).toEqual(before)
  const { rows } = await client.query(`select mode from pg_locks where relation = '"${schema}".lanes'::regclass`)
  expect(rows).toEqual([])
  const { worker } = await store.join({ name: 'worker' })
  expect(await idsOf(opened, worker)).toHaveLength(9)
})

it('R-DUR-7 a transaction of the caller that stays open keeps the marks from nothing, and its event from nobody', async () => {
  await using opened = await openStore(connectionString)
  const { client, store } = opened
  const context = contextOf(opened)
  const { worker } = await store.join({ name: 'worker' })
  await client.query('begin')
  await store.appendIn!(client, newEvent({ id: 'in a transaction' }))
  await new Promise((resolve) => setTimeout(resolve, 5))
  await raiseMarks(context)
  await store.append([newEvent({ id: 'later' })], undefined)
  await client.query('commit')
  expect(await idsOf(opened, worker)).toEqual(['in a transaction', 'later'])
})
