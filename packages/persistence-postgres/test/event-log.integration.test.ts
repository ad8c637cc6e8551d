import type { StoredMessage } from '@buslane/core'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence, type EventLogOptions } from '../src/index.ts'
import { newEvent, openStore } from './support/store.ts'

const connectionString = inject('connectionString')

const setUp = async (eventLog: EventLogOptions) => {
  const opened = await openStore(connectionString, { eventLog })
  const persistence = postgresPersistence({ connectionString, schema: opened.schema, notify: false, eventLog })
  onTestFinished(async () => {
    await persistence.close()
    await opened[Symbol.asyncDispose]()
  })
  const table = `"${opened.schema}".event_log`
  const query = async <Row extends object>(text: string): Promise<readonly Row[]> =>
    (await opened.client.query<Row>(text)).rows
  return {
    store: opened.store,
    log: persistence.eventLog!,
    query,
    /** Entries that are older by a second each, the last one by none. */
    fill: (count: number) =>
      query(`insert into ${table} (logged_at, kind, id, type, version, session_id, payload, headers)
        select extract(epoch from now()) * 1000 - (${count} - n) * 1000, 'event', n, 't', 1, 'BUS', '{}', '{}'
        from generate_series(1, ${count}) n`),
    count: async () => (await query<{ n: number }>(`select count(*)::int as n from ${table}`))[0]!.n,
    ids: async () => (await persistence.eventLog!.read()).entries.map(({ message }) => message.id),
    table,
  }
}

const message = (id: string, changes: Partial<StoredMessage> = {}): StoredMessage => ({
  kind: 'event',
  id,
  type: 'wanted',
  version: 1,
  sessionId: 'BUS',
  payload: '{}',
  headers: '{}',
  ...changes,
})

it('R-REG-3 records the types that it was told to, stored or written, and no commands', async () => {
  const { store, log, ids } = await setUp({ types: ['wanted'] })
  expect([log.records('wanted'), log.records('other')]).toEqual([true, false])
  await store.append([newEvent({ id: 'a', type: 'wanted' }), newEvent({ id: 'b', type: 'other' })], undefined)
  await log.write([message('c'), message('d', { type: 'other' }), message('e', { kind: 'command' })])
  await log.write([message('f', { type: 'other' })])
  expect(await ids()).toEqual(['a', 'c'])
})

it('C-44 keeps so many, the newest', async () => {
  const { store, fill, ids } = await setUp({ maxCount: 3 })
  await fill(10)
  await store.sweep()
  expect(await ids()).toEqual(['8', '9', '10'])
  await store.sweep()
  expect(await ids()).toEqual(['8', '9', '10'])
})

it('C-44 keeps what is not older than it may be', async () => {
  const { store, fill, ids } = await setUp({ maxAgeMs: 3_600_000 })
  await fill(3604)
  await store.sweep()
  expect((await ids())[0]).toMatch(/^[5-7]$/)
})

it('C-44 counts what is left, not positions', async () => {
  const { store, fill, query, table, ids } = await setUp({ maxCount: 4 })
  await fill(10)
  await query(`delete from ${table} where id in ('5', '7', '9')`)
  await store.sweep()
  expect(await ids()).toEqual(['4', '6', '8', '10'])
})

it.for<[string, EventLogOptions]>([
  ['too many', { maxCount: 100 }],
  ['too old', { maxAgeMs: 99_500 }],
])('C-44 forgets what is %s in batches, a bounded number in one sweep', async ([, options]) => {
  const { store, fill, count } = await setUp(options)
  await fill(25_100)
  await store.sweep()
  expect(await count()).toBe(5100)
  await store.sweep()
  expect(await count()).toBeLessThanOrEqual(100)
})
