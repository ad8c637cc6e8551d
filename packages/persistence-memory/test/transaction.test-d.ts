import { createBus, defineEvent, type Transaction } from '@buslane/core'
import { describe, expectTypeOf, it } from 'vitest'
import { memoryTransaction, type MemoryTransaction } from '../src/index.ts'

describe('R-DUR-7 the transaction of publish and schedule', () => {
  it('is one of memoryTransaction', () => {
    expectTypeOf<Transaction>().toEqualTypeOf<MemoryTransaction>()
    const bus = createBus()
    const Paid = defineEvent<number>('paid')
    void bus.publish(Paid(1), { transaction: memoryTransaction() })
    // @ts-expect-error of another kind
    void bus.publish(Paid(1), { transaction: 'begin' })
  })
})
