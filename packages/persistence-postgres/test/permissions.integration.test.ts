import { randomUUID } from 'node:crypto'
import type { EventStore } from '@buslane/core'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence, type PostgresPersistence, type StoreOptions } from '../src/index.ts'
import { newEvent, request } from './support/store.ts'

const connectionString = inject('connectionString')

/** A role that may do nothing yet, and a superuser who may give it rights. */
const setUp = async () => {
  const name = `restricted_${randomUUID().slice(0, 8)}`
  const owner = new pg.Client({ connectionString })
  await owner.connect()
  await owner.query(`create role ${name} login password 'secret'`)
  onTestFinished(async () => {
    await owner.query(`drop schema if exists ${name} cascade; drop role ${name}`)
    await owner.end()
  })
  const url = new URL(connectionString)
  url.username = name
  url.password = 'secret'
  const store = (target: string, options: StoreOptions = {}): PostgresPersistence => {
    const persistence = postgresPersistence({ connectionString: target, schema: name, eventLog: true, ...options })
    onTestFinished(() => persistence.close())
    return persistence
  }
  return {
    name,
    owner,
    asOwner: (options?: StoreOptions) => store(connectionString, options),
    asRole: (options?: StoreOptions) => store(url.href, options),
  }
}

/** Everything that changes a table. */
const useAll = async ({ events, deadLetters, eventLog, inspect }: PostgresPersistence): Promise<void> => {
  await events.open()
  const { worker } = await events.join({ name: 'restricted' })
  const claimAll = async (): Promise<Awaited<ReturnType<EventStore['claim']>>['events']> =>
    (await events.claim(request(worker))).events
  await events.append([newEvent({ lane: 'x', idempotencyKey: 'key' }), newEvent({ lane: 'y' })], worker)
  const [first, second] = await claimAll()
  await events.report([
    { kind: 'complete', lease: first!.lease },
    { kind: 'dead', lease: second!.lease, reason: 'failed', progress: {} },
  ])
  const { entries } = await deadLetters!.list()
  expect(await deadLetters!.replay(entries[0]!.key)).toBe('replayed')
  expect(await claimAll()).toHaveLength(1)
  await events.heartbeat(worker)
  await events.ready([])
  await events.sweep()
  await events.leave(worker)
  expect((await eventLog!.read()).entries).toHaveLength(2)
  expect(await inspect.counts()).toMatchObject({ ready: 1 })
}

it('needs no more than to read and write the tables, once another role has migrated them', async () => {
  const { name, owner, asOwner, asRole } = await setUp()
  await asOwner().events.open()
  await owner.query(`
    grant usage on schema ${name} to ${name};
    grant select, insert, update, delete on all tables in schema ${name} to ${name}`)
  await useAll(asRole({ autoMigrate: false }))
})

it('needs no more than a schema of its own to migrate', async () => {
  const { name, owner, asRole } = await setUp()
  await owner.query(`create schema authorization ${name}`)
  await useAll(asRole())
})

it('says which right it lacks, and that trying again does not help', async () => {
  const { asRole } = await setUp()
  await expect(asRole().events.open()).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    retryable: false,
    message: expect.stringContaining('permission denied'),
  })
})
