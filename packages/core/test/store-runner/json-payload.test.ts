import { describe, expect, it } from 'vitest'
import { fromJson, toJson } from '../../src/store-runner/json-payload.ts'

const nested = (depth: number): unknown => {
  let value: unknown = 'inside'
  for (let n = 0; n < depth; n++) value = { value }
  return value
}

describe('toJson', () => {
  it('gives back what it was given, undefined included', () => {
    const values = [undefined, null, 'ä\u2028😀', 0.1, [1, [2]], { a: { b: [] } }, nested(100)]
    expect(values.map((value) => fromJson(toJson(value, 'It')))).toEqual(values)
  })

  it.each([
    [{ at: new Date(0) }, "a Date at 'at'"],
    [{ list: [1, 10n] }, "a bigint at 'list.1'"],
    [[Number.NaN], "NaN at '0'"],
    [nested(100_000), 'it is nested too deeply'],
  ])('refuses %o and says where', (value, where) => {
    expect(() => toJson(value, 'The payload')).toThrow(
      expect.objectContaining({ code: 'INVALID_PAYLOAD', message: expect.stringContaining(where) }),
    )
  })
})
