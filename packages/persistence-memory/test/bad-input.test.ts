import { describe, expect, it } from 'vitest'
import { memoryPersistence, memoryTransaction } from '../src/index.ts'

/** Every call is made as somebody without types would make it. */
type Untyped = any

const make = memoryPersistence as Untyped

/** The call, and what its message says of it: the argument, what was expected, and what came. */
const CALLS: readonly (readonly [name: string, call: () => unknown, ...says: string[]])[] = [
  ['memoryPersistence(5)', () => make(5), 'memoryPersistence', 'an object', '5'],
  ['memoryPersistence(null)', () => make(null), 'memoryPersistence', 'an object', 'null'],
  ['memoryPersistence([])', () => make([]), 'memoryPersistence', 'an object'],
  ['a misspelt option', () => make({ leaseMs: 5 }), "'leaseMs'", 'settings'],
  ['clock: {}', () => make({ clock: {} }), 'clock.now', 'a function', 'undefined'],
  ['codec: {}', () => make({ codec: {} }), 'codec.encode', 'a function'],
  ["deadLetters: 'no'", () => make({ deadLetters: 'no' }), 'deadLetters', 'a boolean', "'no'"],
  ['settings: null', () => make({ settings: null }), 'settings', 'an object', 'null'],
  ['settings: 5', () => make({ settings: 5 }), 'settings', 'an object', '5'],
  ['a misspelt setting', () => make({ settings: { lease: 5 } }), "'lease'", 'leaseMs'],
  ['leaseMs: -1', () => make({ settings: { leaseMs: -1 } }), 'settings.leaseMs', 'above 0', '-1'],
  ['batchSize: 1.5', () => make({ settings: { batchSize: 1.5 } }), 'settings.batchSize', 'whole', '1.5'],
  ['eventLog: 5', () => make({ eventLog: 5 }), 'eventLog', 'an object', '5'],
  ['eventLog: null', () => make({ eventLog: null }), 'eventLog', 'an object', 'null'],
  ['a misspelt option of the log', () => make({ eventLog: { max: 5 } }), "'max'", 'maxCount'],
  ["eventLog.types: 'a'", () => make({ eventLog: { types: 'a' } }), 'eventLog.types', 'a list', "'a'"],
  ['eventLog.maxCount: NaN', () => make({ eventLog: { maxCount: Number.NaN } }), 'eventLog.maxCount', 'NaN'],
  ["idempotencyRetentionMs: '5'", () => make({ idempotencyRetentionMs: '5' }), 'idempotencyRetentionMs', "'5'"],
  ['restore(null)', () => make().restore(null), 'snapshot'],
  [
    'restore of half a snapshot',
    () => make().restore({ ...make().snapshot(), events: 5 }),
    'snapshot.events',
    'a list',
    '5',
  ],
  ['onCommit(5)', () => (memoryTransaction() as Untyped).onCommit(5), 'onCommit()', 'a function', '5'],
]

const failureOf = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

describe('what a public call of persistence-memory cannot do anything with', () => {
  it.each(CALLS.map(([name, call, ...says]) => ({ name, call, says })))(
    'is refused with INVALID_ARGUMENT that names it: $name',
    async ({ call, says }) => {
      const error: Untyped = await failureOf(call)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.any(String) })
      for (const text of says) expect(error.message).toContain(text)
      expect(error.message).not.toContain('=>')
    },
  )
})
