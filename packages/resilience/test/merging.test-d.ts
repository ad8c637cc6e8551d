import { createBus, defineCommand, defineEvent } from '@buslane/core'
import { expectTypeOf, it } from 'vitest'
import { type DeadLetter, resilience } from '../src/index.ts'

const Placed = defineEvent<{ order: string }>('order.placed', {
  retry: { maxRetries: 1 },
  timeoutMs: 5,
  circuitBreaker: true,
})
const Charge = defineCommand<{ cents: number }, string>('card.charge', {
  retry: false,
  circuitBreaker: { consecutive: 3 },
})
const bus = createBus()

it('adds its options to handlers and definitions', () => {
  bus.on(Placed, () => undefined, {
    retry: { jitter: 'equal' },
    bulkhead: { maxConcurrent: 1 },
    rateLimit: { calls: 1 },
  })
  bus.handle(Charge, () => 'id', { retry: { retryIf: (error) => error instanceof TypeError } })
  // @ts-expect-error -- no such option
  bus.on(Placed, () => undefined, { retry: { retries: 3 } })
  // @ts-expect-error -- a limit of the handler, not of the type
  defineEvent('x', { bulkhead: { maxConcurrent: 1 } })
})

it('gives letters the type of their payload', async () => {
  const { deadLetters } = resilience()
  expectTypeOf((await deadLetters.list({ type: Placed })).entries).toEqualTypeOf<
    readonly DeadLetter<{ order: string }>[]
  >()
  expectTypeOf((await deadLetters.list({ type: Charge })).entries).toEqualTypeOf<
    readonly DeadLetter<{ cents: number }>[]
  >()
  expectTypeOf((await deadLetters.list({ type: 'any' })).entries).toEqualTypeOf<readonly DeadLetter[]>()
  expectTypeOf((await deadLetters.list()).entries).toEqualTypeOf<readonly DeadLetter[]>()
})
