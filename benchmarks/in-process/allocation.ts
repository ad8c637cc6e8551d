import { PerformanceObserver } from 'node:perf_hooks'
import type { Contender } from '../harness/rounds.ts'

/** A young generation of 256 MB: what is measured fits in without a collection. */
export const NODE_OPTIONS: readonly string[] = ['--expose-gc', '--max-semi-space-size=256', '--min-semi-space-size=256']

const WARM_UP = 20_000
const OPERATIONS = 20_000

/** Bytes that one operation allocates, kept or not, by round. Rounds in which something was collected do not count. */
export const allocationsOf = async (side: Contender, rounds: number): Promise<readonly number[]> => {
  let collections = 0
  const observer = new PerformanceObserver((list) => void (collections += list.getEntries().length))
  observer.observe({ entryTypes: ['gc'] })
  await side.run(WARM_UP)
  const found: number[] = []
  for (let attempt = 0; found.length < rounds; attempt++) {
    if (attempt > rounds * 5) throw new Error('a collection came between in nearly every round')
    globalThis.gc!()
    await nextTurn()
    collections = 0
    const before = process.memoryUsage().heapUsed
    await side.run(OPERATIONS)
    const after = process.memoryUsage().heapUsed
    await nextTurn() // the observer is told late
    if (collections === 0) found.push((after - before) / OPERATIONS)
  }
  observer.disconnect()
  await side.close?.()
  return found
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
