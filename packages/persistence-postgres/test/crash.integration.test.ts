import { expect, inject, it, vi } from 'vitest'
import type { Work } from './crash/crash-options.ts'
import { soak } from './crash/soak-run.ts'
import { CrashBench, until } from './support/crash-bench.ts'

// Processes that are killed with SIGKILL at random. `pnpm test:crash` does it 500 times.

// Each starts several processes, one after another.
vi.setConfig({ testTimeout: 120_000 })

const connectionString = inject('connectionString')
const work: Work = { lane: 'one', seq: 1, ms: 30 }

it('C-58 C-59 R-DUR-3 R-DUR-6 R-LANE-3 R-PRI-3 loses nothing and keeps every order while workers are killed', async () => {
  const { verdict, left, deadForNothing } = await soak({
    connectionString,
    kills: 12,
    workers: 2,
    seed: 7,
    failures: false,
    signal: AbortSignal.timeout(100_000),
  })
  expect(verdict).toMatchObject({ lost: [], violations: [] })
  expect(verdict.duplicates.filter(({ why }) => why === 'unexplained')).toEqual([])
  expect([verdict.events > 0, left, deadForNothing]).toEqual([true, 0, []])
})

it('C-60 R-DUR-5 another process takes over within 2 s with a lease of 1 s', async () => {
  await using bench = new CrashBench(connectionString)
  const first = await bench.started({ pauseAt: 'mid-handler' })
  void first.ask('publish', { ...work, doesIn: 'third' }).catch(() => undefined)
  await first.paused
  await bench.started()
  await first.kill()
  const killedAt = performance.now()
  await bench.noted('end', 'third')
  expect(performance.now() - killedAt).toBeLessThan(2000)
})

it('C-62 R-DUR-11 an event that must not run twice goes to the dead letters as interrupted when its worker is killed', async () => {
  await using bench = new CrashBench(connectionString)
  const first = await bench.started({ pauseAt: 'mid-handler' })
  void first.ask('publishFragile', { ...work, doesIn: 'first' }).catch(() => undefined)
  await first.paused
  await first.kill()
  const second = await bench.started()
  await until(async () => (await bench.letters(second)).length > 0)
  expect(await bench.emptied(second)).toEqual(['interrupted'])
  expect(bench.starts).toEqual([1, 0, 0, 0])
})
