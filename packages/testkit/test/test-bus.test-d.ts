import { type CommandResult, defineCommand, defineEvent, type EventMessage } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { createTestBus, failOnce } from '@buslane/testkit'
import { expectTypeOf, it } from 'vitest'

const Placed = defineEvent<{ readonly n: number }>('placed')
const Charge = defineCommand<{ readonly cents: number }, { readonly id: string }>('charge')
const bus = createTestBus({ persistence: memoryPersistence })

it('knows the payloads of what it recorded', () => {
  expectTypeOf(bus.recorded.published(Placed)).toEqualTypeOf<readonly EventMessage<{ readonly n: number }>[]>()
  expectTypeOf(bus.recorded.next(Placed)).resolves.toEqualTypeOf<EventMessage<{ readonly n: number }>>()
  const [execution] = bus.recorded.executed(Charge)
  expectTypeOf(execution!.result).toEqualTypeOf<CommandResult<{ readonly id: string }>>()
})

it('takes the result of the command for a stub, and nothing else', () => {
  bus.stubCommand(Charge, { id: 'a' })
  bus.stubCommand(Charge, ({ payload }) => ({ id: String(payload.cents) }))
  // @ts-expect-error the result has another type
  bus.stubCommand(Charge, { id: 1 })
})

it('takes durations with a unit, and no others', () => {
  void bus.advance('3d')
  void bus.advance(250)
  // @ts-expect-error no such unit
  void bus.advance('3 days')
})

it('keeps the type of a handler that fails once', () => {
  expectTypeOf(failOnce((n: number) => String(n))).toEqualTypeOf<(n: number) => string>()
})
