import { CrashRun, type PausePoint, type WorkerProcess } from '@buslane/testkit/crash'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeadLetter } from '../src/index.ts'
import { type CrashOptions, EXEC_ARGV, type Work } from './crash/crash-options.ts'
import { connectionString, dropSchema, freshSchema } from './support/postgres.ts'

// Processes that are killed with SIGKILL, or end themselves, and what is left of their work on Postgres.

const work: Work = { lane: 'one', seq: 1 }
const always = [1, 2, 3]
let options: CrashOptions
let run: CrashRun<CrashOptions>

beforeEach(() => {
  options = { connectionString, schema: freshSchema() }
  run = new CrashRun({ program: new URL('crash/worker.ts', import.meta.url), execArgv: EXEC_ARGV })
})

afterEach(async () => {
  await run[Symbol.asyncDispose]()
  await dropSchema(options.schema)
})

const started = async (pauseAt?: PausePoint): Promise<WorkerProcess> => {
  const worker = run.start(options, pauseAt)
  await worker.ready
  return worker
}

/** Resolves with the dead letters when nothing else is left in the store. */
const emptied = async (worker: WorkerProcess): Promise<readonly DeadLetter<Work>[]> => {
  type Counts = Readonly<Record<'ready' | 'running' | 'scheduled', number>>
  for (;;) {
    const { ready, running, scheduled } = (await worker.ask('counts')) as Counts
    if (ready + running + scheduled === 0) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return (await worker.ask('letters')) as readonly DeadLetter<Work>[]
}

/** In which attempts the handler began, in order. */
const attempts = (lane = 'one'): readonly number[] =>
  run.journal.read().flatMap((line) => (line.at === 'start' && line.lane === lane ? [line.attempt] : []))

describe('attempts', () => {
  it('C-58 R-DUR-3 survive a kill: those before it count, and so does the one that was interrupted', async () => {
    const first = await started('mid-handler')
    void first.ask('publish', { ...work, failsIn: always, pausesIn: 2 }).catch(() => undefined)
    await first.paused
    await first.kill()
    const letters = await emptied(await started())
    expect(attempts()).toEqual([1, 2, 3])
    expect(letters).toMatchObject([{ reason: 'attempts-exhausted', handlers: [{ name: 'work', attempts: 3 }] }])
    expect(letters[0]?.attempts.map(({ error }) => error.message)).toEqual(['attempt 1 fails', 'attempt 3 fails'])
  })

  it('C-61 R-DUR-3 a handler that ends its process ends in the dead letters after its attempts, and others go on', async () => {
    const first = await started()
    void first.ask('publish', { ...work, exits: true }).catch(() => undefined)
    await first.exited
    for (const again of [2, 3]) {
      const next = run.start(options)
      await next.exited
      expect(attempts()).toHaveLength(again)
    }
    const last = await started()
    await last.ask('publish', { lane: 'two', seq: 1 })
    const letters = await emptied(last)
    expect(attempts()).toEqual([1, 2, 3])
    expect(attempts('two')).toEqual([1])
    expect(letters).toMatchObject([{ reason: 'attempts-exhausted-without-report', payload: { exits: true } }])
  })
})

describe('killed', () => {
  it('C-58 R-DUR-14 during the move to the dead letters, there is one letter', async () => {
    const first = await started('during-dead-move')
    void first.ask('publish', { ...work, failsIn: always }).catch(() => undefined)
    await first.paused
    await first.kill()
    // Whether the third failure was written before the move is a matter of a turn: it is the last attempt either way.
    expect(await emptied(await started())).toMatchObject([
      { reason: expect.stringMatching(/^attempts-exhausted(-without-report)?$/) as string },
    ])
  })

  it('C-48 C-58 during a replay, there is one of it: put back, or still a letter', async () => {
    const first = await started('during-replay')
    await first.ask('publish', { ...work, failsIn: always })
    await emptied(first)
    void first.ask('replay').catch(() => undefined)
    await first.paused
    await first.kill()
    expect(await emptied(await started())).toHaveLength(1)
  })

  it('R-DUR-16 C-47 after a command failed for good, the next process has its letter, and can replay it', async () => {
    const first = await started()
    await expect(first.ask('execute', { ...work, failsIn: [1, 2, 3] })).resolves.toBe(false)
    const letters = (await first.ask('letters')) as readonly DeadLetter[]
    expect(letters).toMatchObject([{ kind: 'command', type: 'crash.do', reason: 'attempts-exhausted' }])
    await first.kill()
    const second = await started()
    await expect(second.ask('replay')).resolves.toMatchObject([{ status: 'replayed' }])
    expect(await emptied(second)).toMatchObject([{ kind: 'command', replays: 1 }])
    expect(attempts()).toEqual([1, 2, 3, 1, 2, 3])
  })
})
