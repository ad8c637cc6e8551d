import { createBus, defineCommand, defineEvent, type Transaction } from '@buslane/core'
import { describe, expectTypeOf, it } from 'vitest'

// What another package does to add options of its own (R-REG-2). All optional: every file of this program sees them.
declare module '@buslane/core' {
  interface HandlerOptions {
    readonly testRetry?: { readonly attempts: number } | undefined
  }
  interface PublishOptions {
    readonly testTrace?: string | undefined
  }
  interface EventDefinitionOptions {
    readonly testTopic?: string | undefined
  }
  interface CommandDefinitionOptions {
    readonly testApproval?: boolean | undefined
  }
  interface ExecuteOptions {
    readonly testRole?: 'admin' | 'user' | undefined
  }
  interface TransactionTypes {
    readonly test: object
  }
}

const bus = createBus()
const session = bus.session('chat')
const Placed = defineEvent<number>('placed', { testTopic: 'orders' })
const Kept = defineEvent<number>('kept', { durable: true, testTopic: 'orders' })
const Place = defineCommand<number, number>('place', { testApproval: true })

describe('R-REG-2 options of other packages', () => {
  it('HandlerOptions: on, onPattern, on of a session, on of a durable type', () => {
    bus.on(Placed, () => undefined, { testRetry: { attempts: 3 } })
    bus.onPattern('**', () => undefined, { testRetry: { attempts: 3 } })
    session.on(Placed, () => undefined, { testRetry: { attempts: 3 }, priority: 1 })
    bus.on(Kept, () => undefined, { name: 'keeper', testRetry: { attempts: 3 } })
    // @ts-expect-error of another type
    bus.on(Placed, () => undefined, { testRetry: 3 })
    // @ts-expect-error nobody added it
    bus.on(Placed, () => undefined, { testBreaker: {} })
  })

  it('PublishOptions: publish of bus, session and context', () => {
    void bus.publish(Placed(1), { testTrace: 'a' })
    void session.publish(Placed(1), { testTrace: 'a' })
    bus.on(Placed, (_event, context) => context.publish(Placed(1), { testTrace: 'a' }))
    // @ts-expect-error of another type
    void bus.publish(Placed(1), { testTrace: 1 })
  })

  it('EventDefinitionOptions and CommandDefinitionOptions: readable on the definition', () => {
    expectTypeOf(Placed.options.testTopic).toEqualTypeOf<string | undefined>()
    expectTypeOf(Place.options.testApproval).toEqualTypeOf<boolean | undefined>()
    // @ts-expect-error of another type
    defineEvent<number>('a', { testTopic: 1 })
    // @ts-expect-error of another type
    defineCommand<number, number>('b', { testApproval: 'yes' })
  })

  it('ExecuteOptions: execute of bus, session and context', () => {
    void bus.execute(Place(1), { testRole: 'admin' })
    void session.execute(Place(1), { testRole: 'admin' })
    bus.on(Placed, (_event, context) => context.execute(Place(1), { testRole: 'user' }))
    // @ts-expect-error of another type
    void bus.execute(Place(1), { testRole: 'root' })
  })

  it('TransactionTypes: the transactions that publish and schedule take', () => {
    expectTypeOf<Transaction>().toEqualTypeOf<object>()
    void bus.publish(Placed(1), { transaction: {} })
    void bus.schedule(Placed(1), { delayMs: 1, transaction: {} })
    // @ts-expect-error of another type
    void bus.publish(Placed(1), { transaction: 7 })
    // @ts-expect-error of another type
    void bus.schedule(Placed(1), { delayMs: 1, transaction: 'begin' })
  })
})
