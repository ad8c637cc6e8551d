import type { Scale } from './section.ts'

/** One side of a duel: does its work for a number of operations, and throws if not all of it was done. */
export interface Contender {
  run(operations: number): Promise<void>
  /** The number of operations is a multiple of that. Default 1,000. */
  readonly step?: number | undefined
  close?(): Promise<void>
}

interface RoundsOptions {
  readonly scale: Scale
  readonly rounds: number
  /**
   * `wall`: what a user waits for. `processor`: the time of all threads of the process, so that other processes on a busy
   * machine count for little.
   */
  readonly clock?: 'wall' | 'processor' | undefined
  /** Instead of what the scale says, in milliseconds. */
  readonly sliceMs?: number | undefined
  readonly warmUpMs?: number | undefined
}

/** How long one side of a round takes, about. */
const SLICE_MS: Readonly<Record<Scale, number>> = { quick: 4, normal: 40, full: 80 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 10, normal: 200, full: 500 }

const milliseconds: Readonly<Record<'wall' | 'processor', () => number>> = {
  wall: () => performance.now(),
  processor: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
}

/** Warms a side up and finds out how many operations fill a slice, so that slow and fast sides take equally long. */
const operationsOf = async (side: Contender, sliceMs: number, warmUpMs: number): Promise<number> => {
  const startedAt = performance.now()
  const { step = 1000 } = side
  let operations = step
  for (;;) {
    const before = performance.now()
    await side.run(operations)
    const took = performance.now() - before
    if (performance.now() - startedAt >= warmUpMs && took > 0) {
      const fitting = (operations * sliceMs) / took
      return Math.max(step, Math.round(fitting / step) * step)
    }
    if (took < sliceMs / 2) operations *= 2
  }
}

/**
 * The sides in turn, in an order that changes from round to round: what runs second finds the heap as the first left it.
 * The figures are nanoseconds per operation, by side and round.
 */
export const inTurn = async (
  sides: readonly Contender[],
  { scale, rounds, clock = 'wall', sliceMs = SLICE_MS[scale], warmUpMs = WARM_UP_MS[scale] }: RoundsOptions,
): Promise<readonly (readonly number[])[]> => {
  const now = milliseconds[clock]
  const operations: number[] = []
  for (const side of sides) operations.push(await operationsOf(side, sliceMs, warmUpMs))
  const found = sides.map((): number[] => [])
  const order = [...sides.keys()]
  // Round 0 meets the heap and the caches as the others do, and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const index of order) {
      const before = now()
      await sides[index]!.run(operations[index]!)
      const ns = ((now() - before) / operations[index]!) * 1e6
      if (round > 0) found[index]!.push(ns)
    }
    order.reverse()
  }
  for (const side of sides) await side.close?.()
  return found
}
