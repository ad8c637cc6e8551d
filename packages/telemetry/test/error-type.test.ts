import { BusError } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { ErrorTypes } from '../src/error-type.ts'

const named = (name: string): Error => Object.assign(new Error('x'), { name })

describe('error.type', () => {
  const hostile = Object.defineProperty(new Error('x'), 'name', {
    get: () => {
      throw new Error('never look')
    },
  })

  it.each([
    ['the code of an error of the bus', new BusError('TIMED_OUT', 'x'), 'TIMED_OUT'],
    ['the code of an error of Node', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    ['the class', new RangeError('x'), 'RangeError'],
    ['what the handler threw', new BusError('HANDLER_FAILED', 'x', { cause: new RangeError('x') }), 'RangeError'],
    ['_OTHER for what is no error', 'text', '_OTHER'],
    ['_OTHER for a name that is a sentence', named('order 7 of Ada failed'), '_OTHER'],
    ['_OTHER for an error that throws when looked at', hostile, '_OTHER'],
    ['the class where the code is no constant', Object.assign(new TypeError('x'), { code: 'order 7' }), 'TypeError'],
  ])('is %s', (_what, error, type) => {
    expect(new ErrorTypes().of(error)).toBe(type)
  })

  it('has a bounded number of values', () => {
    const types = new ErrorTypes()
    const seen = Array.from({ length: 500 }, (_, n) => types.of(named(`Error${n}`)))
    expect(new Set(seen).size).toBe(101)
    expect(types.of(named('Error0'))).toBe('Error0')
  })
})
