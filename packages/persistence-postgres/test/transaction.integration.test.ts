import type { EventStore } from '@buslane/core'
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { newEvent, openStore, type OpenedStore, request } from './support/store.ts'

const connectionString = inject('connectionString')

let opened: OpenedStore
let pool: pg.Pool
let kysely: Kysely<unknown>
let worker: string

beforeAll(async () => {
  opened = await openStore(connectionString)
  pool = new pg.Pool({ connectionString })
  kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
  ;({ worker } = await opened.store.join({ name: 'worker' }))
})

afterAll(async () => {
  await pool.end()
  await opened[Symbol.asyncDispose]()
})

const claimed = async (): Promise<readonly string[]> => {
  const { events } = await opened.store.claim(request(worker))
  await opened.store.report(events.map(({ lease }) => ({ kind: 'complete', lease })))
  return events.map(({ message }) => message.id)
}

const appendIn = (transaction: unknown, id: string): ReturnType<NonNullable<EventStore['appendIn']>> =>
  opened.store.appendIn!(transaction, newEvent({ id }))

describe('R-DUR-7 appending in a transaction', () => {
  it('of Kysely, whatever plugins it has', async () => {
    await kysely.transaction().execute(async (transaction) => {
      expect(await appendIn(transaction, 'kysely')).toMatchObject({
        status: 'stored',
        lease: undefined,
        started: false,
      })
      expect(await claimed()).toEqual([])
    })
    expect(await claimed()).toEqual(['kysely'])
  })

  it('of a client of pg', async () => {
    const client = await pool.connect()
    await client.query('begin')
    await appendIn(client, 'client')
    await client.query('commit')
    client.release()
    expect(await claimed()).toEqual(['client'])
  })

  it('leaves nothing after a rollback, not even its key', async () => {
    const client = await pool.connect()
    await client.query('begin')
    await opened.store.appendIn!(client, newEvent({ idempotencyKey: 'rolled back' }))
    await client.query('rollback')
    client.release()
    const [answer] = await opened.store.append([newEvent({ id: 'again', idempotencyKey: 'rolled back' })], undefined)
    expect(answer).toMatchObject({ status: 'stored' })
    expect(await claimed()).toEqual(['again'])
  })

  it('refuses what is no open transaction', async () => {
    const client = await pool.connect()
    // It has to have said once that it is idle.
    await client.query('select 1')
    for (const wrong of [pool, kysely, client, undefined, null, {}, 'transaction']) {
      await expect(appendIn(wrong, 'never')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', retryable: false })
    }
    client.release()
    expect(await claimed()).toEqual([])
  })
})

describe('R-DUR-15 completing a handler in a transaction', () => {
  const begin = async () => {
    await opened.store.append([newEvent()], undefined)
    const { events } = await opened.store.claim(request(worker))
    const client = await pool.connect()
    await client.query('begin')
    return { lease: events[0]!.lease, client }
  }

  it('is seen by the next claim after a commit', async () => {
    const { lease, client } = await begin()
    expect(await opened.store.completeIn!(client, lease, 'handler', 3)).toBe('ok')
    await client.query('commit')
    client.release()
    await opened.store.report([{ kind: 'release', lease }])
    const { events } = await opened.store.claim(request(worker))
    expect(events[0]).toMatchObject({ progress: { handler: { status: 'done', attempts: 3 } }, orderKey: -Infinity })
    await opened.store.report([{ kind: 'complete', lease: events[0]!.lease }])
  })

  it('C-38 never was after a rollback', async () => {
    const { lease, client } = await begin()
    await opened.store.completeIn!(client, lease, 'handler', 1)
    await client.query('rollback')
    client.release()
    await opened.store.report([{ kind: 'release', lease }])
    const { events } = await opened.store.claim(request(worker))
    expect(events[0]!.progress).toEqual({})
    await opened.store.report([{ kind: 'complete', lease: events[0]!.lease }])
  })

  it('is lost when the lease is', async () => {
    const { lease, client } = await begin()
    await opened.store.report([{ kind: 'complete', lease }])
    expect(await opened.store.completeIn!(client, lease, 'handler', 1)).toBe('lost')
    await client.query('rollback')
    client.release()
  })

  it('keeps the event from being given to another until it ends', async () => {
    const { lease, client } = await begin()
    await opened.store.completeIn!(client, lease, 'handler', 1)
    await opened.client.query(`update "${opened.schema}".workers set lease_until = 0`)
    const during = await opened.store.sweep()
    await client.query('commit')
    client.release()
    const after = await opened.store.sweep()
    expect([during.deadWorkers, during.rescued, after.rescued]).toEqual([1, 0, 1])
  })
})
