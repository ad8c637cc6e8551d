import type { Clock, Persistence } from '@buslane/core'
import { memoryPersistence, memoryTransaction } from '@buslane/persistence-memory'
import type { Harness, OpenOptions, OpenStore } from '@buslane/testkit/conformance'

const START = Date.UTC(2030, 0, 1)

/** A clock that stands still until it is moved. */
function standingClock(): Clock & { move(ms: number): void } {
  let passed = 0
  return {
    now: () => START + passed,
    monotonic: () => passed,
    setTimer: () => undefined,
    clearTimer: () => undefined,
    move: (ms) => {
      passed += ms
    },
  }
}

/** What a store in memory cannot do. @public for scripts/conformance-tables.ts */
export const memoryAbsent = {
  connections: 'the data is in one process',
  'time-zones': 'it has no connections',
} as const

/** The store in memory: `wrap` may break it. */
export function memoryHarness(wrap: (persistence: Persistence) => Persistence = (persistence) => persistence): Harness {
  return {
    absent: memoryAbsent,
    open: (options) => Promise.resolve(openMemory(options, wrap)),
  }
}

function openMemory(
  { leaseMs, idempotencyRetentionMs, deadLetters }: OpenOptions,
  wrap: (persistence: Persistence) => Persistence,
): OpenStore {
  const clock = standingClock()
  const make = () => memoryPersistence({ clock, settings: { leaseMs }, idempotencyRetentionMs, deadLetters })
  let store = make()
  const realNow = Date.now.bind(Date)
  return {
    persistence: wrap(store),
    passTime: (ms) => {
      clock.move(ms)
      return Promise.resolve()
    },
    restart: () => {
      const snapshot = store.snapshot()
      store = make()
      store.restore(snapshot)
      return Promise.resolve(wrap(store))
    },
    begin: () => {
      const transaction = memoryTransaction()
      return Promise.resolve({
        handle: transaction,
        commit: () => transaction.commit(),
        rollback: () => transaction.rollback(),
      })
    },
    skewProcessClock: (ms) => {
      Date.now = ms === 0 ? realNow : () => realNow() + ms
    },
    close: () => Promise.resolve(),
  }
}
