import { describe, expect, it } from 'vitest'
import { createBus, defineEvent } from '@buslane/core'
import { recover, resilience, RetryAfterError } from '../src/index.ts'

/** Every call is made as somebody without types would make it. */
type Untyped = any

const make = resilience as Untyped
const Placed = defineEvent<number>('order.placed')
const noop = (): void => undefined
const installed = (): Untyped => {
  const guard = resilience()
  createBus({ plugins: [guard] })
  return guard
}
const bus = (): Untyped => createBus({ plugins: [resilience()] })

/** The call, and what its message says of it: the argument, what was expected, and what came. */
const CALLS: readonly (readonly [name: string, call: () => unknown, ...says: string[]])[] = [
  ['resilience(null)', () => make(null), 'resilience', 'an object', 'null'],
  ['resilience(5)', () => make(5), 'resilience', 'an object', '5'],
  ['resilience([])', () => make([]), 'resilience', 'an object'],
  ['a misspelt option', () => make({ retires: 5 }), 'retires', 'retry'],
  ['an option named as a method of objects', () => make({ toString: 5 }), 'toString'],
  ['retry: null', () => make({ retry: null }), 'retry', 'an object', 'null'],
  ['retry: true', () => make({ retry: true }), 'retry', 'an object', 'true'],
  ['maxRetries: -1', () => make({ retry: { maxRetries: -1 } }), 'retry.maxRetries', 'whole number', '-1'],
  ['maxRetries: NaN', () => make({ retry: { maxRetries: Number.NaN } }), 'retry.maxRetries', 'NaN'],
  ["timeoutMs: '5'", () => make({ timeoutMs: '5' }), 'timeoutMs', 'a number above 0', "'5'"],
  ['circuitBreaker: 5', () => make({ circuitBreaker: 5 }), 'circuitBreaker', 'an object', '5'],
  ['intakePause: null', () => make({ intakePause: null }), 'intakePause', 'an object', 'null'],
  ['intakePause: 5', () => make({ intakePause: 5 }), 'intakePause', 'an object', '5'],
  ['redact: null', () => make({ redact: null }), 'redact', 'an object', 'null'],
  ['redact: 5', () => make({ redact: 5 }), 'redact', 'an object', '5'],
  ['redact.payload: 5', () => make({ redact: { payload: 5 } }), 'redact.payload', 'a function', '5'],
  ['recover: 5', () => make({ recover: 5 }), 'recover', 'a function', '5'],
  ['graceMs: -1', () => make({ graceMs: -1 }), 'graceMs', '-1'],
  ['lettersInMemory: 1.5', () => make({ lettersInMemory: 1.5 }), 'lettersInMemory', '1.5'],
  ["sequences: 'yes'", () => make({ sequences: 'yes' }), 'sequences', 'a boolean', "'yes'"],
  ['sessionStats: -1', () => make({ sessionStats: -1 }), 'sessionStats', '-1'],
  ['node: 5', () => make({ node: 5 }), 'node', 'a text', '5'],
  ['random: 5', () => make({ random: 5 }), 'random', 'a function', '5'],
  ['on with a misspelt option of resilience', () => bus().on(Placed, noop, { retries: 5 }), "'retries'", 'priority'],
  ['on with retry: null', () => bus().on(Placed, noop, { retry: null }), 'retry', 'null'],
  ['on with bulkhead: 5', () => bus().on(Placed, noop, { bulkhead: 5 }), 'bulkhead', 'an object', '5'],
  ['on with rateLimit: {}', () => bus().on(Placed, noop, { rateLimit: null }), 'rateLimit', 'an object', 'null'],
  ['retry without resilience', () => (createBus() as Untyped).on(Placed, noop, { retry: false }), "'retry'", 'plugin'],
  ['handlerStats() before it is installed', () => resilience().handlerStats(), 'not installed'],
  ['handlerStats(null)', () => installed().handlerStats(null), 'handlerStats', 'null'],
  [
    'handlerStats by what is not there',
    () => installed().handlerStats({ by: 'bus' }),
    'handlerStats.by',
    'handler, type, session',
    "'bus'",
  ],
  ['restoreCircuits(5)', () => installed().restoreCircuits(5), 'circuits', '5'],
  ['restoreCircuits([null])', () => installed().restoreCircuits([null]), 'circuits[0]', 'null'],
  [
    'restoreCircuits with a state of nothing',
    () => installed().restoreCircuits([{ name: 'a', state: { is: 'ajar' } }]),
    'circuits[0]',
  ],
  ['deadLetters before it is installed', () => resilience().deadLetters, 'not installed'],
  ['list(null)', () => installed().deadLetters.list(null), 'filter', 'null'],
  ['list with a misspelt filter', () => installed().deadLetters.list({ typ: 'a' }), 'typ', 'type'],
  ['list with a cursor of 5', () => installed().deadLetters.list({}, 5), 'cursor', '5'],
  ['get(5)', () => installed().deadLetters.get(5), 'key', 'a text', '5'],
  ['replay()', () => installed().deadLetters.replay(), 'filter', 'undefined'],
  ['replay(key, null)', () => installed().deadLetters.replay('a', null), 'replay', 'an object', 'null'],
  [
    'replay with an edit of 5',
    () => installed().deadLetters.replay('a', { edit: 5 }),
    'replay.edit',
    'a function',
    '5',
  ],
  ['discard(5)', () => installed().deadLetters.discard(5), 'filter', '5'],
  ['discard(key, 5)', () => installed().deadLetters.discard('a', 5), 'discard', 'an object', '5'],
  ["aside('lost')", () => installed().deadLetters.aside('lost'), 'state', 'undecodable, dead', "'lost'"],
  ['recover(null)', () => (recover as Untyped)(null), 'facts', 'null'],
  ['recover({})', () => (recover as Untyped)({}), 'facts', 'an object'],
  ['RetryAfterError(NaN)', () => new RetryAfterError(Number.NaN), 'retryAfterMs', 'NaN'],
  ["RetryAfterError('5')", () => new (RetryAfterError as Untyped)('5'), 'retryAfterMs', "'5'"],
]

const failureOf = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

describe('what a public call of resilience cannot do anything with', () => {
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
