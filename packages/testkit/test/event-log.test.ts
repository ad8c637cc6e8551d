import { createBus, defineEvent } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { expect, it } from 'vitest'

const Plain = defineEvent<{ n: number }>('log.plain')
const Odd = defineEvent<{ at: Date }>('log.odd')
const Kept = defineEvent<{ n: number }>('log.kept', { durable: true })

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

it('R-REG-3 the event log has every published event once, those before start too, and counts what cannot be written', async () => {
  const persistence = memoryPersistence({ eventLog: true })
  const bus = createBus({ persistence, logger: quiet })
  bus.on(Kept, () => {}, { name: 'kept' })
  await bus.publish(Plain({ n: 1 }))
  await bus.start()
  await bus.publish(Plain({ n: 2 }))
  await bus.publish(Kept({ n: 3 }))
  await bus.publish(Odd({ at: new Date(0) }))
  expect(bus.stats().stored?.unlogged).toBe(1)
  await bus.stop()
  const { entries } = await persistence.eventLog!.read()
  expect(entries.map(({ message }) => message.payload).sort()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}'])
})
