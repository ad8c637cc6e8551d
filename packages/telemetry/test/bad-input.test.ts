import { describe, expect, it } from 'vitest'
import { createBus, defineEvent } from '@buslane/core'
import { telemetry } from '../src/index.ts'

/** Every call is made as somebody without types would make it. */
type Untyped = any

const make = telemetry as Untyped
const bus = (): Untyped => createBus({ plugins: [telemetry()] })

/** The call, and what its message says of it: the argument, what was expected, and what came. */
const CALLS: readonly (readonly [name: string, call: () => unknown, ...says: string[]])[] = [
  ['telemetry(null)', () => make(null), 'options', 'an object', 'null'],
  ['telemetry(5)', () => make(5), 'options', 'an object', '5'],
  ['telemetry([])', () => make([]), 'options', 'an object'],
  ['a misspelt option', () => make({ trace: false }), "'trace'", 'traces'],
  ["traces: 'no'", () => make({ traces: 'no' }), 'traces', 'a boolean', "'no'"],
  ['eventLoopDelay: 5', () => make({ eventLoopDelay: 5 }), 'eventLoopDelay', 'a boolean', '5'],
  ['tracerProvider: {}', () => make({ tracerProvider: {} }), 'tracerProvider.getTracer', 'a function', 'undefined'],
  ['meterProvider: null', () => make({ meterProvider: null }), 'meterProvider.getMeter', 'a function'],
  ["inMemory: 'x'", () => make({ inMemory: 'x' }), 'inMemory', "'child' or 'link'", "'x'"],
  ["baggage: 'tenant'", () => make({ baggage: 'tenant' }), 'baggage', 'a list', "'tenant'"],
  ['baggage: [5]', () => make({ baggage: [5] }), 'baggage', 'a list'],
  ["maxTypes: '5'", () => make({ maxTypes: '5' }), 'maxTypes', 'a number', "'5'"],
  ['maxTypes: NaN', () => make({ maxTypes: Number.NaN }), 'maxTypes', 'NaN'],
  ['storeCountsTimeoutMs: -1', () => make({ storeCountsTimeoutMs: -1 }), 'storeCountsTimeoutMs', '-1'],
  ['span: 5', () => make({ span: 5 }), 'span', 'a function', '5'],
  ['logger(null)', () => make().logger(null), 'logger.debug', 'a function'],
  ['logger({})', () => make().logger({}), 'logger.debug', 'undefined'],
  ['on with a misspelt option', () => bus().on(defineEvent('a'), () => undefined, { prio: 5 }), "'prio'", 'priority'],
]

const failureOf = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

describe('what a public call of telemetry cannot do anything with', () => {
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
