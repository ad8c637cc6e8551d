import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Found, floorOf, judge } from '../gate/rule.ts'

const bareNs = 100
const steady = { ratios: [1, 1, 0.98, 1.01, 1], bareNs }
const noisy = { ratios: [1, 0.5, 1, 1.2, 0.6], bareNs }
const found = (...ratios: readonly number[]): Found[] => ratios.map((ratio) => ({ ratio, bareNs }))
const onSlowMachine = (...ratios: readonly number[]): Found[] => ratios.map((ratio) => ({ ratio, bareNs: 3 * bareNs }))
const here: Found = { ratio: 1, bareNs }
const ratios = fc.array(fc.double({ min: 0.05, max: 5, noNaN: true }), { minLength: 1, maxLength: 9 })

describe('the rule of the gate', () => {
  it('keeps a ratio as it was stored', () => {
    expect(judge(steady, found(1))).toBe('kept')
  })

  it('keeps a loss within noise', () => {
    expect(judge(steady, found(0.75))).toBe('kept')
  })

  it('measures again before it calls something lost', () => {
    expect(judge(steady, found())).toBe('measure again')
    expect(judge(steady, found(0.5))).toBe('measure again')
    expect(judge(steady, found(0.5, 0.4))).toBe('measure again')
  })

  it('lets one good process outweigh two that were disturbed', () => {
    expect(judge(steady, found(0.5, 0.4, 0.9))).toBe('kept')
  })

  it('finds half the speed, however noisy what was stored is', () => {
    expect(judge(steady, found(0.5, 0.5, 0.5))).toBe('lost')
    expect(judge(noisy, found(0.5, 0.5, 0.5))).toBe('lost')
  })

  it('allows more of a loss where what was stored is noisy', () => {
    expect(floorOf(noisy, here)).toBeLessThan(floorOf(steady, here))
  })

  it('allows more of a loss on a machine of another pace, and finds there what is lost without doubt', () => {
    expect(judge(steady, found(0.6, 0.6, 0.6))).toBe('lost')
    expect(judge(steady, onSlowMachine(0.6))).toBe('kept')
    expect(judge(steady, onSlowMachine(0.3, 0.3, 0.3))).toBe('lost')
  })

  it('has a floor between half and seven tenths of the stored median, whatever was stored', () => {
    fc.assert(
      fc.property(ratios, (stored) => {
        const median = stored.toSorted((a, b) => a - b)[Math.ceil(stored.length / 2) - 1]!
        const share = floorOf({ ratios: stored, bareNs }, here) / median
        expect(share).toBeGreaterThan(0.5)
        expect(share).toBeLessThanOrEqual(0.7 + 1e-9)
      }),
    )
  })
})
