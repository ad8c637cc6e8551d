import { describe, expect, it } from 'vitest'
import { BusError, type CommandResult, unwrap } from '../src/index.ts'

const failed = (error: BusError): CommandResult<number> => ({ success: false, commandId: '1', error, attempts: 1 })
const thrownBy = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return error
  }
  return 'nothing'
}

describe('unwrap', () => {
  it('gives the value of a successful result, also one that is falsy', () => {
    expect(unwrap({ success: true, commandId: '1', value: 0, attempts: 1 })).toBe(0)
    expect(unwrap({ success: true, commandId: '1', value: undefined, attempts: 1 })).toBeUndefined()
  })

  it('throws what the handler threw', () => {
    const cause = new RangeError('too far')
    expect(thrownBy(() => unwrap(failed(new BusError('HANDLER_FAILED', 'x', { cause }))))).toBe(cause)
    expect(thrownBy(() => unwrap(failed(new BusError('HANDLER_FAILED', 'x', { cause: 'text' }))))).toBe('text')
  })

  it('throws the error of a result that failed otherwise', () => {
    const error = new BusError('TIMED_OUT', 'too slow', { cause: new Error('not this') })
    expect(thrownBy(() => unwrap(failed(error)))).toBe(error)
  })

  it('throws the error when the handler threw undefined: there is no cause to throw', () => {
    const error = new BusError('HANDLER_FAILED', 'x', { cause: undefined })
    expect(thrownBy(() => unwrap(failed(error)))).toBe(error)
  })
})
