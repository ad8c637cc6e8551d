import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Clock } from '@buslane/core'
import type { Harness } from '@buslane/testkit/conformance'
import { sqlitePersistence } from '../src/sqlite-persistence.ts'

/** A clock that stands still until it is moved. */
function standingClock(): Clock & { move(ms: number): void } {
  let now = Date.UTC(2030, 0, 1)
  return {
    now: () => now,
    monotonic: () => now,
    setTimer: () => undefined,
    clearTimer: () => undefined,
    move: (ms) => void (now += ms),
  }
}

/** What the suite needs to know of the store, and what the store cannot do. */
export const harness: Harness = {
  absent: {
    connections: 'one process per file',
    'time-zones': 'one process per file',
    transactions: 'nobody else has a transaction in the file',
    'own-clock': 'its clock is the one it is given',
  },
  open: ({ leaseMs, idempotencyRetentionMs, deadLetters }) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'own-store-'))
    const clock = standingClock()
    const file = path.join(folder, 'events.db')
    const make = () => sqlitePersistence({ file, clock, leaseMs, idempotencyRetentionMs, deadLetters })
    return Promise.resolve({
      persistence: make(),
      passTime: (ms) => Promise.resolve(clock.move(ms)),
      restart: () => Promise.resolve(make()),
      close: () => Promise.resolve(rmSync(folder, { recursive: true })),
    })
  },
}
