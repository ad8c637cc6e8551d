import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CrashRun, judge, type PausePoint, type Verdict } from '@buslane/testkit/crash'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type CrashOptions, EXEC_ARGV, HANDLERS, type Work } from './crash/crash-options.ts'

// Processes that are killed exactly where they are told to stand still.

const connectionString = inject('connectionString')
const work: Work = { lane: 'one', seq: 1, ms: 1 }
let schemas = 0
let options: CrashOptions
let run: CrashRun<CrashOptions>

beforeEach(() => {
  schemas += 1
  options = { connectionString, schema: `crash_points_${process.pid}_${schemas}`, leaseMs: 1000 }
  run = new CrashRun({ program: new URL('crash/soak-worker.ts', import.meta.url), execArgv: EXEC_ARGV })
})

afterEach(async () => {
  await run[Symbol.asyncDispose]()
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(`drop schema if exists "${options.schema}" cascade`)
  await client.end()
})

type Worker = ReturnType<typeof run.start>

const started = async (pauseAt?: PausePoint): Promise<Worker> => {
  const worker = run.start(options, pauseAt)
  await worker.ready
  return worker
}

/** Starts a worker that stands still at the point with this event, and kills it there. */
const killedAt = async (point: PausePoint, payload: Work): Promise<void> => {
  const worker = await started(point)
  // The answer to a publish may never come.
  void worker.ask('publish', payload).catch(() => undefined)
  await worker.paused
  await worker.kill()
}

/** Resolves when nothing is left in the store but dead letters, with their reasons. */
const emptied = async (worker: Worker): Promise<readonly string[]> => {
  type Counts = Readonly<Record<'ready' | 'running' | 'scheduled', number>>
  for (;;) {
    const { ready, running, scheduled } = (await worker.ask('counts')) as Counts
    if (ready + running + scheduled === 0) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const letters = (await worker.ask('letters')) as readonly { readonly reason: string }[]
  return letters.map(({ reason }) => reason)
}

const verdict = (): Verdict => {
  const lines = run.journal.read()
  const events = new Set(lines.flatMap((line) => (line.at === 'start' ? [line.event] : [])))
  return judge(lines, { events, handlers: HANDLERS, dead: new Set() })
}

const whys = ({ duplicates }: Verdict): readonly string[] => duplicates.map(({ handler, why }) => `${handler} ${why}`)

describe.each([
  ['after-append-ack', work, []],
  ['mid-handler', { ...work, doesIn: 'second' }, ['second killed', 'beside killed']],
  ['after-handler-before-complete', work, HANDLERS.map(({ name }) => `${name} killed`)],
] as const)('killed at %s', (point, payload, again) => {
  it('C-58 R-DUR-3 R-DUR-6 loses nothing, keeps the order, and repeats only what was not saved', async () => {
    await killedAt(point, payload)
    expect(await emptied(await started())).toEqual([])
    const result = verdict()
    expect(result).toMatchObject({ events: 1, lost: [], violations: [] })
    expect(again).toEqual(expect.arrayContaining([...whys(result)]))
  })
})

it('C-58 R-DUR-6 killed during the completion, it is handled once, or its last group again', async () => {
  await killedAt('during-complete', work)
  await emptied(await started())
  expect(verdict()).toMatchObject({ events: 1, lost: [], violations: [] })
})

it('C-58 R-DUR-14 killed during the move to the dead letters, there is one letter', async () => {
  await killedAt('during-dead-move', { ...work, fails: 'first' })
  expect(await emptied(await started())).toEqual(['failed'])
})

it('C-58 killed while it makes the tables, the next process makes them', async () => {
  const first = run.start({ ...options, pausesMigration: true }, 'during-migration')
  await first.paused
  await first.kill()
  const second = await started()
  await second.ask('publish', work)
  await emptied(second)
  expect(verdict()).toMatchObject({ events: 1, runs: HANDLERS.length, lost: [], violations: [] })
})

it('C-59 R-LANE-3 killed twice in a row at one event, it is handled, and the next of its lane after it', async () => {
  await killedAt('mid-handler', { ...work, doesIn: 'second' })
  const again = run.start(options, 'mid-handler')
  await again.paused
  await again.kill()
  const last = await started()
  await last.ask('publish', { ...work, seq: 2 })
  await emptied(last)
  expect(verdict()).toMatchObject({ events: 2, lost: [], violations: [], mostRuns: 3 })
})

it('C-61 R-DUR-3 an event whose handler ends the process is handled by nobody for ever, and others are handled', async () => {
  const first = await started()
  void first.ask('publish', { ...work, doesIn: 'second', does: 'exit' }).catch(() => undefined)
  await expect(first.exited).resolves.toMatchObject({ code: 1 })
  await run.start(options).exited // it takes over, and ends as well
  const other = await started('mid-handler')
  await other.paused
  await other.ask('publish', { ...work, lane: 'two' })
  await expect.poll(() => run.journal.read().filter((line) => line.at === 'end' && line.lane === 'two').length).toBe(4)
})

it('C-61 R-DUR-5 another process takes over from one whose event loop is blocked', async () => {
  const blocked = await started()
  void blocked.ask('publish', { ...work, doesIn: 'third', does: 'block' }).catch(() => undefined)
  await expect.poll(() => run.journal.read().some((line) => line.at === 'start' && line.handler === 'third')).toBe(true)
  const second = run.start(options, 'mid-handler')
  await second.paused
  const thirds = run.journal.read().filter((line) => line.at === 'start' && line.handler === 'third')
  expect(thirds.map(({ pid }) => pid)).toEqual([blocked.pid, second.pid])
})

it('C-58 on PGlite, what a killed process had begun is handled by the next', async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'buslane-pglite-crash-'))
  options = { schema: options.schema, leaseMs: 1000, dataDir: path.join(dataDir, 'data') }
  await killedAt('mid-handler', { ...work, doesIn: 'second' })
  expect(await emptied(await started())).toEqual([])
  expect(verdict()).toMatchObject({ events: 1, lost: [], violations: [] })
  await run[Symbol.asyncDispose]()
  rmSync(dataDir, { recursive: true, force: true })
})
