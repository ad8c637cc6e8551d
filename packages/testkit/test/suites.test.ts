import {
  approvalStoreChecks,
  type Capability,
  conformanceTable,
  deadLetterStoreChecks,
  eventStoreChecks,
  eventStoreConformance,
  type Harness,
  runChecks,
  type SuiteRunner,
} from '@buslane/testkit/conformance'
import { describe, expect, it } from 'vitest'
import { memoryHarness } from './support/memory-harness.ts'

const checks = [...eventStoreChecks, ...deadLetterStoreChecks, ...approvalStoreChecks]
const needing = (capability: Capability) => checks.filter(({ needs }) => needs.includes(capability))
const statuses = async (harness: Harness, ofChecks = checks) =>
  (await runChecks(ofChecks, harness)).map(({ status }) => status)

interface Declared {
  readonly title: string
  readonly skip: boolean
  readonly run: () => Promise<void>
}

/** A runner that only writes down what is declared. */
function recorder(): { readonly tests: Declared[]; readonly runner: SuiteRunner } {
  const tests: Declared[] = []
  const runner: SuiteRunner = {
    describe: (_, body) => body(),
    it: (title, { skip }, run) => void tests.push({ title, skip, run }),
  }
  return { tests, runner }
}

describe('the checks', () => {
  it('have ids that are used once', () => {
    expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length)
  })

  it('are skipped with the reason when the harness declares absent what they need', async () => {
    const harness = { ...memoryHarness(), absent: { connections: 'one process', 'time-zones': 'none' } }
    expect(await runChecks(needing('connections'), harness)).toMatchObject([
      { check: { id: 'C-02c' }, status: 'skipped', reason: 'connections: one process' },
      { check: { id: 'C-30' }, status: 'skipped', reason: 'connections: one process; time-zones: none' },
    ])
  })

  it('fail when what they need is neither declared absent nor offered', async () => {
    const found = await statuses({ ...memoryHarness(), absent: {} }, needing('connections'))
    expect(found).toEqual(['failed', 'failed'])
  })

  it('fail when what is declared absent is offered all the same', async () => {
    const harness = memoryHarness()
    const lying = { ...harness, absent: { ...harness.absent, transactions: 'too much work' } }
    expect(await statuses(lying, checks.slice(0, 1))).toEqual(['failed'])
  })

  it('fail, and do not reject, when the store cannot be opened', async () => {
    const broken: Harness = { open: () => Promise.reject(new Error('no server')) }
    expect(await runChecks(checks.slice(0, 1), broken)).toMatchObject([
      { status: 'failed', error: { message: 'no server' } },
    ])
  })

  it('fail with the error of the check, not with that of closing the store after it', async () => {
    const harness = memoryHarness()
    const closing: Harness = {
      open: async (options) => ({
        ...(await harness.open(options)),
        close: () => Promise.reject(new Error('closing')),
      }),
    }
    expect(await runChecks(needing('connections').slice(0, 1), closing)).toMatchObject([
      { status: 'failed', error: { name: 'CheckFailedError' } },
    ])
    expect(await runChecks(checks.slice(1, 2), closing)).toMatchObject([
      { status: 'failed', error: { message: 'closing' } },
    ])
  })

  it('refuse a clock that moves by more than they allow for', async () => {
    expect(await statuses({ ...memoryHarness(), slackMs: 60_000 }, checks.slice(0, 1))).toEqual(['failed'])
  })

  it('pass on a store whose clock may move by itself', async () => {
    const found = await statuses({ ...memoryHarness(), slackMs: 20_000 })
    expect(found.filter((status) => status === 'failed')).toEqual([])
  })
})

describe('a suite', () => {
  it('declares one test for each check, and one that counts them', async () => {
    const { tests, runner } = recorder()
    const results = eventStoreConformance('memory', memoryHarness(), runner)
    expect(tests).toHaveLength(eventStoreChecks.length + 1)
    for (const { run } of tests.filter(({ skip }) => !skip)) await run()
    expect(results).toHaveLength(eventStoreChecks.length)
  })

  it('fails when a check was neither run nor skipped', async () => {
    const { tests, runner } = recorder()
    eventStoreConformance('memory', memoryHarness(), runner)
    const left = tests.filter(({ title }) => !title.startsWith('C-04 '))
    await expect(async () => {
      for (const { skip, run } of left) if (!skip) await run()
    }).rejects.toThrow('the checks that were run or skipped')
  })

  it('fails the test of a check that fails', async () => {
    const { tests, runner } = recorder()
    eventStoreConformance('memory', { ...memoryHarness(), absent: {} }, runner)
    const connections = tests.find(({ title }) => title.startsWith('C-02c '))
    await expect(connections?.run()).rejects.toThrow('`connections`')
  })
})

describe('conformanceTable', () => {
  it('has a row for every check, and counts passed, failed and skipped apart', () => {
    const [passed, failed, skipped] = checks
    if (passed === undefined || failed === undefined || skipped === undefined) throw new Error('no checks')
    const table = conformanceTable([
      { check: passed, status: 'passed' },
      { check: failed, status: 'failed', error: new Error('a | b\nc') },
      { check: skipped, status: 'skipped', reason: 'one process' },
    ])
    expect(table.split('\n')).toEqual([
      '| check | what the store does | result |',
      '| --- | --- | --- |',
      `| ${passed.id} | ${passed.title} | passed |`,
      `| ${failed.id} | ${failed.title} | **failed**: a \\| b c |`,
      `| ${skipped.id} | ${skipped.title} | skipped: one process |`,
      '',
      '1 passed, 1 failed, 1 skipped.',
    ])
  })
})
