import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createBus } from '@buslane/core'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { crashRun, dropSchema, Workers } from './crash/crash-run.ts'
import { Job, laneOf, LEASE, Once } from './crash/job.ts'
import { readJournal } from './crash/journal.ts'

// Processes that are killed with SIGKILL. `pnpm test:crash` does it 500 times.

const connectionString = inject('connectionString')
let folder: string
let journal: string
let schema: string
let workers: Workers

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'buslane-crash-'))
  journal = path.join(folder, 'journal')
  schema = `crash_${randomUUID().slice(0, 8)}`
  workers = new Workers(connectionString, schema, journal)
})

afterEach(async () => {
  await workers.killAll()
  await dropSchema(connectionString, schema)
  rmSync(folder, { recursive: true, force: true })
})

/** A bus that only publishes, and what is in its store. */
const publisher = async () => {
  const persistence = postgresPersistence({ connectionString, schema, ...LEASE })
  const bus = createBus({ persistence, lane: laneOf })
  await bus.start()
  return { bus, persistence }
}

/** Resolves when the condition holds; asked every few milliseconds, for at most 20 s. */
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not happen within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const has = (step: 'start' | 'end', handler: string): boolean => {
  try {
    return readJournal(journal).some((entry) => entry.step === step && entry.handler === handler)
  } catch {
    return false // nobody has written yet
  }
}

it('C-58 C-59 R-DUR-3 R-DUR-6 R-LANE-3 R-PRI-3 loses nothing and keeps every order while workers are killed', async () => {
  const report = await crashRun({ connectionString, kills: 12, seed: 7 })
  expect(report).toMatchObject({ drained: true, lost: 0, groupViolations: 0, laneViolations: 0, unexplained: 0 })
}, 120_000)

it('C-60 R-DUR-5 another process takes over within 2 s with a lease of 1 s', async () => {
  const { bus } = await publisher()
  await workers.add()
  await bus.publish(Job({ lane: 'one', seq: 10 })) // its handlers take 30 ms each
  await until(() => has('start', 'reserve'))
  const second = workers.add()
  await workers.kill(0)
  const killedAt = performance.now()
  await second
  await until(() => has('end', 'notify'))
  expect(performance.now() - killedAt).toBeLessThan(2000)
  await bus.stop()
})

it('C-62 R-DUR-11 an event that must not run twice goes to the dead letters as interrupted when its worker is killed', async () => {
  const { bus, persistence } = await publisher()
  await workers.add()
  await bus.publish(Once({ lane: 'one', seq: 1 }))
  await until(() => has('start', 'once'))
  await workers.kill(0)
  await workers.add()
  await until(async () => (await persistence.inspect.counts()).deadLetters === 1)
  const { entries = [] } = (await persistence.deadLetters?.list()) ?? {}
  expect(entries.map(({ reason }) => reason)).toEqual(['interrupted'])
  expect(readJournal(journal).filter(({ step }) => step === 'start')).toHaveLength(1)
  await bus.stop()
})
