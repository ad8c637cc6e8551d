import { CrashRun, type PausePoint, type WorkerProcess } from '@buslane/testkit/crash'
import type { DeadLetter, Page } from '@buslane/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Approval } from '../src/index.ts'
import { type Asking, type CrashOptions, EXEC_ARGV } from './crash/crash-options.ts'
import { connectionString, dropSchema, freshSchema } from './support/postgres.ts'

// Processes that are killed with SIGKILL at every point of an approval's way, and what the next one finds on Postgres.

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

const started = async (pauseAt?: PausePoint, more: Partial<CrashOptions> = {}): Promise<WorkerProcess> => {
  const worker = run.start({ ...options, ...more }, pauseAt)
  await worker.ready
  return worker
}

const lateKilled = async (worker: WorkerProcess): Promise<void> => {
  await worker.paused
  await worker.kill()
}

const ask = (worker: WorkerProcess, asking: Asking): Promise<unknown> => worker.ask('ask', asking)
/** Nobody waits for the answer of a process that is killed. */
const unheard = (answer: Promise<unknown>): void => void answer.catch(() => undefined)
const approve = (worker: WorkerProcess, id: string, by = 'ada') => worker.ask('approve', { id, by })
const get = (worker: WorkerProcess, id: string) => worker.ask('get', id) as Promise<Approval>
const stateOf = async (worker: WorkerProcess, id: string) => (await get(worker, id)).state.is
const letters = async (worker: WorkerProcess) => ((await worker.ask('letters')) as Page<DeadLetter>).entries

/** How often the handler began, and how often it came to its end. */
const runs = (lane: string) => {
  const lines = run.journal.read().filter((line) => 'lane' in line && line.lane === lane)
  return {
    began: lines.filter(({ at }) => at === 'start').length,
    ended: lines.filter(({ at }) => at === 'end').length,
  }
}

/** Resolves when nothing is left to be done in the store. */
const emptied = async (worker: WorkerProcess): Promise<void> => {
  type Counts = Readonly<Record<'ready' | 'running' | 'scheduled' | 'unhandled', number>>
  await expect
    .poll(
      async () => {
        const { ready, running, scheduled, unhandled } = (await worker.ask('counts')) as Counts
        return ready + running + scheduled + unhandled
      },
      { timeout: 20_000 },
    )
    .toBe(0)
}

const becomes = (worker: WorkerProcess, id: string, state: Approval['state']['is']) =>
  expect.poll(() => stateOf(worker, id), { timeout: 20_000 }).toBe(state)

describe('killed', () => {
  it('R-DUR-2 after the request was stored: it is there for the next process, and runs once when it is approved', async () => {
    const first = await started('after-approval-added')
    unheard(ask(first, { command: 'careful', id: 'a' }))
    await lateKilled(first)
    const next = await started()
    expect(await stateOf(next, 'a')).toBe('pending')
    await approve(next, 'a')
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
  })

  it('R-DUR-2 while the request is stored: it is there or not, and asking again with its id makes no second one', async () => {
    const first = await started('during-approval-added')
    unheard(ask(first, { command: 'careful', id: 'a' }))
    await lateKilled(first)
    const next = await started()
    expect(await ask(next, { command: 'careful', id: 'a' })).toEqual({ code: 'APPROVAL_PENDING' })
    await approve(next, 'a')
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
  })

  it('while a decision is stored: it counts or not, and the command runs once all the same', async () => {
    const first = await started('during-approval-approved')
    await ask(first, { command: 'careful', id: 'a' })
    unheard(approve(first, 'a', 'ada'))
    await lateKilled(first)
    const next = await started()
    expect(await approve(next, 'a', 'bob')).toMatchObject({
      status: expect.stringMatching(/^(granted|already-decided)$/) as string,
    })
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
  })

  it('after the decision was committed and before the run: the next process runs it, once, and nobody asks again', async () => {
    const first = await started('after-approval-approved', { handles: false })
    const handling = await started()
    await ask(handling, { command: 'careful', id: 'a' })
    await handling.kill()
    unheard(approve(first, 'a'))
    await lateKilled(first)
    expect(runs('a')).toEqual({ began: 0, ended: 0 })
    const next = await started()
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
    expect(await approve(next, 'a', 'bob')).toMatchObject({
      status: 'already-decided',
      approval: { state: { decision: { by: 'ada' } } },
    })
  })

  it('R-DUR-11 when the run was about to be written down: it had not begun, and runs once', async () => {
    const first = await started('before-approval-running')
    await ask(first, { command: 'careful', id: 'a' })
    unheard(approve(first, 'a'))
    await lateKilled(first)
    const next = await started()
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
  })

  it('R-DUR-11 in the middle of the handler: it is interrupted, not repeated, and runs again when a person puts it back', async () => {
    const first = await started('mid-handler')
    await ask(first, { command: 'careful', id: 'a', work: { pausesIn: 1 } })
    await approve(first, 'a')
    await lateKilled(first)
    const next = await started()
    await becomes(next, 'a', 'interrupted')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 0 })
    expect(await get(next, 'a')).toMatchObject({ state: { decision: { by: 'ada' }, attempt: 1 } })
    expect(await ask(next, { command: 'careful', id: 'a', waits: true })).toEqual({ code: 'APPROVAL_INTERRUPTED' })
    const [letter, ...others] = await letters(next)
    expect(others).toEqual([])
    expect(letter).toMatchObject({ message: { id: 'a', type: 'crash.careful' } })
    await next.ask('replay', letter!.key)
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 2, ended: 1 })
  })

  it('R-DUR-11 in the middle of a handler that may run twice: it runs again', async () => {
    const first = await started('mid-handler')
    await ask(first, { command: 'repeatable', id: 'a', work: { pausesIn: 1 } })
    await approve(first, 'a')
    await lateKilled(first)
    const next = await started()
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 2, ended: 1 })
    expect(await get(next, 'a')).toMatchObject({ state: { attempt: 2 } })
  })

  it.each([
    ['careful', 'interrupted', { began: 1, ended: 1 }],
    ['repeatable', 'succeeded', { began: 2, ended: 2 }],
  ] as const)(
    'R-DUR-11 after the handler of a %s command, before its result was stored: it is %s',
    async (command, state, counted) => {
      const first = await started('before-approval-succeeded')
      await ask(first, { command, id: 'a' })
      await approve(first, 'a')
      await lateKilled(first)
      const next = await started()
      await becomes(next, 'a', state)
      await emptied(next)
      expect(runs('a')).toEqual(counted)
    },
  )

  it.each(['careful', 'repeatable'] as const)(
    'after the result of a %s command was stored, before the store knows that it is handled: nothing runs again',
    async (command) => {
      const first = await started('after-approval-succeeded')
      await ask(first, { command, id: 'a' })
      await approve(first, 'a')
      await lateKilled(first)
      const next = await started()
      await emptied(next)
      expect(runs('a')).toEqual({ began: 1, ended: 1 })
      expect(await ask(next, { command, id: 'a' })).toEqual({ value: expect.stringMatching(/^done by/) as string })
      expect(await letters(next)).toEqual([])
    },
  )

  it('after a failure was stored, before anybody knows whether it is tried again: it is not', async () => {
    const first = await started('after-approval-failed')
    await ask(first, { command: 'careful', id: 'a', work: { failsIn: [1] } })
    await approve(first, 'a')
    await lateKilled(first)
    const next = await started()
    await expect
      .poll(() => get(next, 'a'), { timeout: 20_000 })
      .toMatchObject({ state: { is: 'failed', isFinal: true } })
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 0 })
    expect(await letters(next)).toHaveLength(1)
  })

  it.each(['before-approval-expired', 'during-approval-expired', 'after-approval-expired'] as const)(
    'at %s: it expires once, and never runs',
    async (point) => {
      const first = await started(point)
      await ask(first, { command: 'hurried', id: 'a' })
      await lateKilled(first)
      const next = await started()
      await becomes(next, 'a', 'expired')
      await emptied(next)
      expect(await approve(next, 'a')).toMatchObject({
        status: 'already-decided',
        approval: { state: { is: 'expired' } },
      })
      expect(runs('a')).toEqual({ began: 0, ended: 0 })
    },
  )

  it('during a vote: it counts or not, and two different people are needed all the same', async () => {
    const first = await started('during-approval-pending')
    await ask(first, { command: 'voted', id: 'a' })
    unheard(approve(first, 'a', 'ada'))
    await lateKilled(first)
    const next = await started()
    expect(await approve(next, 'a', 'ada')).toMatchObject({ status: 'voted' })
    expect((await get(next, 'a')).votes).toHaveLength(1)
    expect(await approve(next, 'a', 'bob')).toMatchObject({ status: 'granted' })
    await becomes(next, 'a', 'succeeded')
    await emptied(next)
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
  })

  it('while it waits: who asks again with the same id gets what became of it', async () => {
    const waiting = await started()
    unheard(ask(waiting, { command: 'careful', id: 'a', waits: true }))
    const next = await started()
    await expect.poll(() => next.ask('get', 'a')).toBeDefined()
    await waiting.kill()
    const again = ask(next, { command: 'careful', id: 'a', waits: true })
    await approve(next, 'a')
    expect(await again).toEqual({ value: `done by ${next.pid}` })
    expect(runs('a')).toEqual({ began: 1, ended: 1 })
  })
})

describe('two processes', () => {
  it('give who waits in one what another decided, though that has no handler', async () => {
    const waiting = await started()
    const deciding = await started(undefined, { handles: false })
    const result = ask(waiting, { command: 'careful', id: 'a', waits: true })
    await expect.poll(() => deciding.ask('get', 'a')).toBeDefined()
    await approve(deciding, 'a')
    expect(await result).toEqual({ value: `done by ${waiting.pid}` })
  })

  it('that decide at once record one decision, and run what was granted once', async () => {
    const [one, two] = [await started(), await started()]
    const ids = Array.from({ length: 20 }, (_, index) => `a${index}`)
    await Promise.all(ids.map((id) => ask(one, { command: 'careful', id })))
    const decisions = await Promise.all(
      ids.map((id) => Promise.all([approve(one, id), two.ask('deny', { id, by: 'bob' })])),
    )
    for (const answers of decisions) {
      const statuses = answers.map((answer) => (answer as { status: string }).status)
      expect([
        ['granted', 'already-decided'],
        ['already-decided', 'denied'],
      ]).toContainEqual(statuses)
    }
    await emptied(one)
    const granted = decisions.filter(([answer]) => (answer as { status: string }).status === 'granted').length
    const counted = ids.map((id) => runs(id).began)
    expect(counted.filter((count) => count > 1)).toEqual([])
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(granted)
  })

  it('that decide while the time runs out give one outcome each', async () => {
    const [one, two] = [await started(), await started()]
    const ids = Array.from({ length: 100 }, (_, index) => `a${index}`)
    await Promise.all(ids.map((id) => ask(one, { command: 'hurried', id })))
    const answers: { readonly status: string }[] = []
    // One after another, so that the time of all runs out somewhere among them.
    for (const id of ids) answers.push((await approve(two, id)) as { readonly status: string })
    await emptied(one)
    const states = await Promise.all(ids.map((id) => stateOf(two, id)))
    expect(answers.map(({ status }) => status)).toEqual(
      states.map((state) => (state === 'expired' ? 'already-decided' : 'granted')),
    )
    expect(ids.map((id) => runs(id).began)).toEqual(states.map((state) => (state === 'expired' ? 0 : 1)))
  })
})
