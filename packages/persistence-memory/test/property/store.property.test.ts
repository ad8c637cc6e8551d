import fc from 'fast-check'
import { describe, it } from 'vitest'
import { Pair, steps } from '../support/pair.ts'

describe('the store', () => {
  it('C-01, C-04, R-LANE-3 claims what its model claims, in the same order, and has every event in one place', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const pair = new Pair()
        for (const step of all) await pair.run(step)
      }),
      { numRuns: 300 },
    )
  })
})
