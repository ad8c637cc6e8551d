import { memoryPersistence } from '@buslane/persistence-memory'
import { busConformance, type BusHarness } from '@buslane/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { brokenThroughABus } from './support/broken-through-a-bus.ts'
import { type Changes, changed } from './support/delegate.ts'

const harness = (changes: Changes): BusHarness => ({
  open: ({ clock, leaseMs }) => changed(memoryPersistence({ clock, settings: { leaseMs } }), changes),
})

/** The tests that the suite declares, by title. */
function declared(changes: Changes): ReadonlyMap<string, () => Promise<void>> {
  const tests = new Map<string, () => Promise<void>>()
  busConformance('memory', harness(changes), {
    describe: (_, body) => body(),
    it: (title, _, run) => void tests.set(title, run),
  })
  return tests
}

describe('a store that', { timeout: 60_000 }, () => {
  it.each(brokenThroughABus)('$fault is rejected by the check "$check"', async ({ check, ...changes }) => {
    const meant = [...declared(changes)].filter(([title]) => title.includes(check))
    expect(meant).not.toEqual([])
    for (const [, run] of meant) await expect(run()).rejects.toMatchObject({ name: 'CheckFailedError' })
  })

  it('has no fault passes every check when it is wrapped like the broken ones', async () => {
    for (const run of declared({}).values()) await run()
  })
})
