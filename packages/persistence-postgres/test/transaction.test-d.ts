import { createBus, defineEvent } from '@buslane/core'
import { Kysely, type Transaction } from 'kysely'
import type pg from 'pg'
import { expectTypeOf, it } from 'vitest'
import { postgresPersistence } from '../src/index.ts'

interface Shop {
  orders: { id: string }
}

const Placed = defineEvent<{ id: string }>('order.placed')

it('R-DUR-7 takes transactions of Kysely, whatever its tables, and clients of pg', () => {
  void createBus().publish(Placed({ id: '1' }), { transaction: {} as Transaction<Shop> })
  void createBus().publish(Placed({ id: '1' }), { transaction: {} as pg.PoolClient })
  // @ts-expect-error -- not a transaction
  void createBus().publish(Placed({ id: '1' }), { transaction: 'begin' })
})

it('takes one source', () => {
  expectTypeOf(postgresPersistence).toBeCallableWith({ kysely: {} as Kysely<Shop> })
  expectTypeOf(postgresPersistence).toBeCallableWith({ pool: {} as pg.Pool, leaseMs: 1000 })
  // @ts-expect-error -- two of them
  postgresPersistence({ pool: {} as pg.Pool, connectionString: 'postgres://' })
})
