import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import type { Work } from './crash/crash-options.ts'
import { CrashBench } from './support/crash-bench.ts'

// Processes that are killed exactly where they are told to stand still, twice in a row.

// Each starts several processes, one after another.
vi.setConfig({ testTimeout: 120_000 })

const connectionString = inject('connectionString')
const work: Work = { lane: 'one', seq: 1, ms: 1 }
let bench: CrashBench

beforeEach(() => {
  bench = new CrashBench(connectionString)
})

afterEach(() => bench[Symbol.asyncDispose]())

const nothingWrong = { lost: [], violations: [] }

describe('C-58 C-59 R-DUR-3 R-DUR-6 R-LANE-3 killed twice', () => {
  it('after an append was stored: both events are there, and run once', async () => {
    for (const seq of [1, 2]) {
      const worker = await bench.started({ pauseAt: 'after-append-ack', handles: false })
      void worker.ask('publish', { ...work, seq }).catch(() => undefined)
      await worker.paused
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual([])
    expect(bench.verdict()).toMatchObject({ ...nothingWrong, events: 2, runs: 8, duplicates: [] })
  })

  it('after a claim: nothing had begun, so nothing is repeated', async () => {
    await bench.publishOnly(work)
    for (let kills = 0; kills < 2; kills++) {
      const worker = await bench.started({ pauseAt: 'after-claim' })
      await worker.paused
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual([])
    expect(bench.verdict()).toMatchObject({ ...nothingWrong, events: 1, runs: 4, duplicates: [] })
  })

  it('in the middle of a handler: that one is repeated, what was saved is not, and the next of its lane comes after', async () => {
    await bench.publishOnly({ ...work, doesIn: 'second' })
    for (let kills = 0; kills < 2; kills++) {
      const worker = await bench.started({ pauseAt: 'mid-handler' })
      await worker.paused
      await bench.saved('first', 'beside')
      await worker.kill()
    }
    const last = await bench.started()
    await last.ask('publish', { ...work, seq: 2 })
    expect(await bench.emptied(last)).toEqual([])
    const killed = { handler: 'second', why: 'killed' }
    expect(bench.verdict()).toMatchObject({ ...nothingWrong, events: 2, duplicates: [killed, killed] })
    expect(bench.starts).toEqual([2, 4, 2, 2])
  })

  it('after the handlers, before anything was saved: all of them are repeated', async () => {
    await bench.publishOnly(work)
    for (const times of [1, 2]) {
      const worker = await bench.started({ pauseAt: 'after-handler-before-complete' })
      await worker.paused
      await bench.noted('end', 'third', times)
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual([])
    expect(bench.verdict()).toMatchObject({ ...nothingWrong, events: 1, runs: 12, mostRuns: 3 })
    expect(bench.starts).toEqual([3, 3, 3, 3])
  })

  it('during a completion: each event is handled, and repeated only where that was not saved', async () => {
    for (const seq of [1, 2]) {
      const worker = await bench.started({ pauseAt: 'during-complete' })
      void worker.ask('publish', { ...work, seq }).catch(() => undefined)
      await worker.paused
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual([])
    const { duplicates, ...verdict } = bench.verdict()
    expect(verdict).toMatchObject({ ...nothingWrong, events: 2 })
    expect(duplicates.filter(({ why }) => why !== 'killed')).toEqual([])
  })

  it('during the move to the dead letters: there is one letter of each event', async () => {
    for (const seq of [1, 2]) {
      const worker = await bench.started({ pauseAt: 'during-dead-move' })
      void worker.ask('publish', { ...work, lane: `lane ${seq}`, fails: 'first' }).catch(() => undefined)
      await worker.paused
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual(['failed', 'failed'])
  })

  it('during a replay: there is one live copy, which fails again into one letter', async () => {
    const first = await bench.started()
    await first.ask('publish', { ...work, fails: 'first' })
    expect(await bench.emptied(first)).toEqual(['failed'])
    const [letter] = await bench.letters(first)
    await first.stop()
    for (let kills = 0; kills < 2; kills++) {
      const worker = await bench.started({ pauseAt: 'during-replay', handles: false })
      void worker.ask('replay', letter!.key).catch(() => undefined)
      await worker.paused
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual(['failed'])
  })

  it('during a heartbeat: the handler that ran is repeated', async () => {
    await bench.publishOnly({ ...work, ms: 3000 })
    for (const times of [1, 2]) {
      const worker = await bench.started({ pauseAt: 'during-heartbeat' })
      await worker.paused
      await bench.noted('start', 'first', times)
      await worker.kill()
    }
    expect(await bench.emptied(await bench.started())).toEqual([])
    expect(bench.verdict()).toMatchObject({ ...nothingWrong, events: 1 })
    expect(bench.starts).toEqual([3, 1, 1, 1])
  })

  it('while it makes the tables: the next process makes them', async () => {
    for (let kills = 0; kills < 2; kills++) {
      const worker = bench.run.start({ ...bench.options, pausesMigration: true }, 'during-migration')
      await worker.paused
      await worker.kill()
    }
    const last = await bench.started()
    await last.ask('publish', work)
    expect(await bench.emptied(last)).toEqual([])
    expect(bench.verdict()).toMatchObject({ ...nothingWrong, events: 1, runs: 4, duplicates: [] })
  })
})

it('C-61 R-DUR-3 an event whose handler ends the process is handled by nobody for ever, and others are handled', async () => {
  const first = await bench.started()
  void first.ask('publish', { ...work, doesIn: 'second', does: 'exit' }).catch(() => undefined)
  await expect(first.exited).resolves.toMatchObject({ code: 1 })
  await bench.run.start(bench.options).exited // it takes over, and ends as well
  const other = await bench.started({ pauseAt: 'mid-handler' })
  await other.paused
  await other.ask('publish', { ...work, lane: 'two' })
  await bench.noted('end', 'third')
  expect(bench.run.journal.read().filter((line) => line.at === 'end' && line.lane === 'two')).toHaveLength(4)
})

it('C-61 R-DUR-5 another process takes over from one whose event loop is blocked', async () => {
  const blocked = await bench.started()
  void blocked.ask('publish', { ...work, doesIn: 'third', does: 'block' }).catch(() => undefined)
  await bench.noted('start', 'third')
  const second = bench.run.start(bench.options, 'mid-handler')
  await second.paused
  const thirds = bench.run.journal.read().filter((line) => line.at === 'start' && line.handler === 'third')
  expect(thirds.map(({ pid }) => pid)).toEqual([blocked.pid, second.pid])
})

it('C-04 C-61 R-DUR-5 a process that was stopped and goes on finds its events taken, and changes nothing', async () => {
  const frozen = await bench.started()
  void frozen.ask('publish', { ...work, ms: 300 }).catch(() => undefined)
  await bench.noted('start', 'first')
  frozen.freeze()
  const second = await bench.started()
  await bench.noted('end', 'third')
  frozen.thaw()
  expect(await bench.emptied(second)).toEqual([])
  expect(await bench.emptied(frozen)).toEqual([])
  expect(bench.starts).toEqual([2, 1, 1, 1])
})

it('C-58 on PGlite, what a killed process had begun is handled by the next', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'buslane-pglite-crash-'))
  const embedded = new CrashBench(connectionString, { dataDir: path.join(folder, 'data') })
  try {
    const worker = await embedded.started({ pauseAt: 'mid-handler' })
    void worker.ask('publish', { ...work, doesIn: 'second' }).catch(() => undefined)
    await worker.paused
    await worker.kill()
    expect(await embedded.emptied(await embedded.started())).toEqual([])
    expect(embedded.verdict()).toMatchObject({ ...nothingWrong, events: 1 })
  } finally {
    await embedded[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
})
