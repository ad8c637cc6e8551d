import { describe, expect, it } from 'vitest'
import { postgresPersistence, type PostgresOptions } from '../src/index.ts'
import { storeConfig, type StoreOptions } from '../src/options.ts'

describe('storeConfig', () => {
  it('has the defaults that are promised', () => {
    expect(storeConfig({})).toMatchObject({
      schema: 'buslane',
      settings: { leaseMs: 5000, heartbeatMs: 5000 / 3, sweepMs: 1000, connectMs: 5000, noHandlerAfterMs: 3_600_000 },
      notify: true,
      autoMigrate: true,
      idempotencyRetentionMs: 604_800_000,
      deadLetters: true,
    })
  })

  it.for<[string, StoreOptions]>([
    ['no schema', { schema: '' }],
    ['a schema that Postgres would cut off', { schema: 'x'.repeat(64) }],
    ['a lease of no time', { leaseMs: 0 }],
    ['a heartbeat that comes too late', { leaseMs: 1000, heartbeatMs: 600 }],
    ['half an event', { batchSize: 0.5 }],
    ['no number', { pollMs: Number.NaN }],
    ['for ever', { sweepMs: Infinity }],
    ['text', { connectMs: '5' as never }],
    ['a log of some length', { eventLog: { maxCount: Number.NaN } }],
    ['a log of less than no age', { eventLog: { maxAgeMs: -1 } }],
    ['a function that chooses what is logged', { eventLog: { types: (() => true) as never } }],
  ])('refuses %s', ([, options]) => {
    expect(() => storeConfig(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('postgresPersistence', () => {
  it.for<[string, object]>([
    ['no database', {}],
    ['two databases', { connectionString: 'postgres://localhost', pool: {} }],
    ['a transaction', { kysely: { isTransaction: true } }],
  ])('refuses %s', ([, options]) => {
    expect(() => postgresPersistence(options as PostgresOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('connects to nothing before it is opened', async () => {
    await postgresPersistence({ connectionString: 'postgres://nowhere.invalid/none' }).close()
  })
})
