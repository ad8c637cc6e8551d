import { describe, expect, it } from 'vitest'
import { BusError, ErrorCode, InvalidPayloadError, isBusError, NestedWaitError } from '../src/index.ts'
import { describe as show } from '../src/errors.ts'
import { errorData } from '../src/system-events.ts'

describe('BusError', () => {
  it('has a code, a message and a cause, and is an Error', () => {
    const cause = new Error('underneath')
    const error = new BusError('QUEUE_FULL', 'The queue is full', { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'BusError', code: 'QUEUE_FULL', message: 'The queue is full', cause })
    expect(String(error)).toBe('BusError: The queue is full')
    expect(error.stack).toContain('errors.test.ts')
  })

  it('its subclasses keep their facts', () => {
    const payload = new InvalidPayloadError('INVALID_PAYLOAD', 'The payload', [
      { message: 'too long', path: ['a', { key: 0 }, Symbol.for('b')] },
      { message: 'odd' },
    ])
    expect(payload).toBeInstanceOf(BusError)
    expect(payload.message).toBe('The payload does not fit its schema: a.0.Symbol(b): too long; odd')
    expect(payload.issues).toHaveLength(2)
    const nested = new NestedWaitError(2, ['a', 'b', 'c'])
    expect(nested).toMatchObject({ code: 'NESTED_WAIT_LIMIT', chain: ['a', 'b', 'c'], name: 'NestedWaitError' })
    expect(nested.message).toContain('a > b > c')
  })

  it('every code is exported under its own name', () => {
    expect(Object.entries(ErrorCode).filter(([name, code]) => name !== code)).toEqual([])
    expect(Object.keys(ErrorCode)).toEqual(expect.arrayContaining(['NO_HANDLER', 'BUS_STOPPED', 'TIMED_OUT']))
  })
})

describe('isBusError', () => {
  it('knows the errors of the bus, by code if one is asked for', () => {
    const error = new BusError('TIMED_OUT', 'x')
    expect(isBusError(error)).toBe(true)
    expect(isBusError(error, 'TIMED_OUT')).toBe(true)
    expect(isBusError(error, 'ABORTED')).toBe(false)
    expect(isBusError(new NestedWaitError(1, []))).toBe(true)
  })

  it.each([
    new Error('x'),
    Object.assign(new Error('x'), { code: 'TIMED_OUT' }),
    { code: 'TIMED_OUT' },
    null,
    undefined,
    'x',
  ])('does not take %o for one', (other) => {
    expect(isBusError(other)).toBe(false)
  })

  it('knows the errors of another installed copy of core', async () => {
    // A query makes it another module, as a second copy in node_modules would be.
    const path: string = '../src/errors.ts?copy'
    const copy = (await import(path)) as typeof import('../src/errors.ts')
    expect(copy.BusError).not.toBe(BusError)
    const foreign = new copy.BusError('QUEUE_FULL', 'x')
    expect(foreign).not.toBeInstanceOf(BusError)
    expect(isBusError(foreign, 'QUEUE_FULL')).toBe(true)
    expect(copy.isBusError(new BusError('QUEUE_FULL', 'x'))).toBe(true)
  })
})

describe('describing what was thrown', () => {
  const hostile = {
    toString: (): never => {
      throw new Error('no')
    },
  }
  const withGetter = Object.defineProperty(new Error('x'), 'message', {
    get: (): never => {
      throw new Error('no')
    },
  })

  const refuse = (): never => {
    throw new Error('no')
  }
  const proxy = new Proxy(new Error('x'), { get: refuse, has: refuse, getPrototypeOf: refuse })

  it('never throws itself', () => {
    expect(show(new Error('text'))).toBe('text')
    expect(show('text')).toBe('text')
    expect(show(Symbol('s'))).toBe('Symbol(s)')
    for (const odd of [hostile, Object.create(null), withGetter, proxy]) expect(typeof show(odd)).toBe('string')
  })

  it.each([Symbol('s'), Object.create(null), hostile, 7, undefined])(
    'gives a string, also of the message %o',
    (odd) => {
      expect(typeof show(Object.assign(new Error('x'), { message: odd }))).toBe('string')
    },
  )

  it('knows that what cannot be looked at is none of the errors of the bus', () => {
    expect(isBusError(proxy)).toBe(false)
  })

  it('gives plain data for messages', () => {
    expect(errorData(new RangeError('far'))).toEqual({ name: 'RangeError', message: 'far', stack: expect.any(String) })
    expect(errorData(new BusError('ABORTED', 'x'))).toMatchObject({ name: 'BusError', code: 'ABORTED' })
    expect(errorData('text')).toEqual({ name: 'string', message: 'text' })
    expect(errorData(Object.assign(new Error('x'), { code: 7 }))).not.toHaveProperty('code')
    for (const odd of [hostile, Object.create(null), withGetter]) {
      expect(errorData(odd)).toMatchObject({ name: expect.any(String), message: expect.any(String) })
    }
  })
})
