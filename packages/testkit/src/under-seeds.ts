/**
 * Runs a test under so many seeds, one after another: give each to `createTestBus({ seed })`, and concurrent handlers start and end in
 * another order each time. *Failure*: the first one ends it; the error names the seed, with which `{ only }` runs it again.
 *
 * @throws {Error} with the failing seed in its message and the test's own error as `cause`.
 *
 * @example
 * import { defineEvent } from '@buslane/core'
 * const Counted = defineEvent('counted')
 * await underSeeds(20, async (seed) => {
 *   await using bus = createTestBus({ seed })
 *   bus.on(Counted, () => 1, { name: 'one' })
 *   bus.on(Counted, () => 2, { name: 'two' })
 *   await bus.start()
 *   await bus.publishAndWait(Counted()).then((outcome) => outcome.failed) // => 0
 * })
 */
export async function underSeeds(
  seeds: number | { readonly only: number },
  test: (seed: number) => Promise<void> | void,
): Promise<void> {
  const all = typeof seeds === 'number' ? Array.from({ length: seeds }, (_, index) => index + 1) : [seeds.only]
  for (const seed of all) {
    try {
      await test(seed)
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`Fails under seed ${seed} (run it again with { only: ${seed} }): ${what}`, { cause })
    }
  }
}
