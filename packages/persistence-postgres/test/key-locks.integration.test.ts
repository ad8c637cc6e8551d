import { createBus, defineEvent } from '@buslane/core'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { newEvent, openStore } from './support/store.ts'

// A transaction that uses an idempotency key and does not end (R-DUR-8).

const connectionString = inject('connectionString')
const Kept = defineEvent<{ readonly n: number }>('key-locks.kept', { durable: true })
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** A schema whose key `taken` is used by a transaction that is open. */
const withOpenTransaction = async () => {
  const opened = await openStore(connectionString, { leaseMs: 600 })
  const { client, store, schema } = opened
  await client.query('begin')
  await store.appendIn!(client, newEvent({ idempotencyKey: 'taken' }))
  return { ...opened, schema, client }
}

it('R-DUR-8 an open transaction with a key holds up no other publish, and is no trouble of the store', async () => {
  const opened = await withOpenTransaction()
  const persistence = postgresPersistence({ connectionString, schema: opened.schema, leaseMs: 600, logger: quiet })
  const bus = createBus({ persistence, logger: quiet })
  onTestFinished(async () => {
    await bus.stop({ timeoutMs: 0 })
    await persistence.close()
    await opened[Symbol.asyncDispose]()
  })
  let handled = 0
  bus.on(Kept, () => void handled++, { name: 'kept' })
  await bus.start()
  const blocked = Array.from({ length: 8 }, (_, n) => bus.publish(Kept({ n }), { idempotencyKey: 'taken' }))
  const refused = Promise.allSettled(blocked)
  const publishedAt = performance.now()
  await Promise.all(Array.from({ length: 20 }, (_, n) => bus.publish(Kept({ n }))))
  expect(performance.now() - publishedAt).toBeLessThan(290)
  expect(await refused).toEqual(
    blocked.map(() => ({
      status: 'rejected',
      reason: expect.objectContaining({ code: 'IDEMPOTENCY_KEY_LOCKED', retryable: true }) as unknown,
    })),
  )
  expect(bus.health().status).toBe('healthy')
  await opened.client.query('commit')
  expect(await bus.publish(Kept({ n: 1 }), { idempotencyKey: 'taken' })).toMatchObject({ status: 'duplicate' })
})

it('R-DUR-8 a key that waits for a transaction is refused by itself, and the limit ends with the statement', async () => {
  const opened = await withOpenTransaction()
  onTestFinished(() => opened[Symbol.asyncDispose]())
  await expect(opened.store.append([newEvent({ idempotencyKey: 'taken' })], undefined)).rejects.toMatchObject({
    code: 'IDEMPOTENCY_KEY_LOCKED',
    message: expect.stringContaining("'taken' of 'store.tested'") as string,
  })
  await opened.client.query('rollback')
  expect(await opened.store.append([newEvent({ idempotencyKey: 'taken' })], undefined)).toMatchObject([
    { status: 'stored' },
  ])
})
