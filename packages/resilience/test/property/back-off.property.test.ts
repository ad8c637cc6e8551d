import fc from 'fast-check'
import { expect, it } from 'vitest'
import { backOffMs, retryPolicy } from '../../src/retry.ts'

const anyPolicy = fc.record({
  initialDelayMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  maxDelayMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
  factor: fc.double({ min: 1, max: 1e6, noNaN: true }),
  jitter: fc.constantFrom('full' as const, 'equal' as const, 'none' as const),
})
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const anyAttempts = fc.integer({ min: 1, max: 10_000 })

it('a wait is a finite number from 0 to maxDelayMs, whatever the options', () => {
  fc.assert(
    fc.property(anyPolicy, anyAttempts, anyRandom, (options, attempts, random) => {
      const waitMs = backOffMs(retryPolicy([options]), attempts, random)
      expect(waitMs).toBeGreaterThanOrEqual(0)
      expect(waitMs).toBeLessThanOrEqual(options.maxDelayMs)
    }),
  )
})

it('waits never get shorter from attempt to attempt, for the same chance', () => {
  fc.assert(
    fc.property(anyPolicy, anyAttempts, anyRandom, (options, attempts, random) => {
      const policy = retryPolicy([options])
      expect(backOffMs(policy, attempts + 1, random)).toBeGreaterThanOrEqual(backOffMs(policy, attempts, random))
    }),
  )
})

it('equal jitter waits at least half of what no jitter does, full jitter no more than it', () => {
  fc.assert(
    fc.property(anyPolicy, anyAttempts, anyRandom, (options, attempts, random) => {
      const wait = (jitter: 'full' | 'equal' | 'none'): number =>
        backOffMs(retryPolicy([{ ...options, jitter }]), attempts, random)
      expect(wait('equal')).toBeGreaterThanOrEqual(wait('none') / 2)
      expect(wait('equal')).toBeLessThanOrEqual(wait('none'))
      expect(wait('full')).toBeLessThanOrEqual(wait('none'))
    }),
  )
})
