import { describe, expect, it } from 'vitest'
import { BusError } from '../../src/errors.ts'
import type { Appended, NewEvent } from '../../src/persistence.ts'
import { Appender } from '../../src/store-runner/appender.ts'

const event = (id: string, lane?: string): NewEvent => ({
  message: { kind: 'event', id, type: 'a', version: 1, sessionId: 'BUS', payload: '', headers: '{}' },
  lane,
  serial: false,
  priority: 50,
  orderOffsetMs: 0,
  due: undefined,
  expiresInMs: undefined,
  idempotencyKey: undefined,
  onCrash: 'retry',
  keep: undefined,
  mine: false,
})

const stored = (key: string): Appended => ({
  status: 'stored',
  key,
  acceptedAt: 0,
  orderKey: 0,
  dueAt: 0,
  lease: undefined,
  started: false,
})

/** A store that writes down what is committed together, and takes nothing with `bad`. */
const refusing = (retryable: boolean) => {
  const commits: string[][] = []
  const appender = new Appender({
    batchSize: 10,
    parallelAppends: 1,
    landed: () => undefined,
    append: async (events) => {
      const ids = events.map(({ message }) => message.id)
      if (ids.includes('bad')) throw new BusError('STORE_FAILED', 'no', { retryable })
      commits.push(ids)
      return ids.map(stored)
    },
  })
  return { appender, commits }
}

const outcomes = async (appended: readonly Promise<Appended>[]): Promise<readonly string[]> =>
  (await Promise.allSettled(appended)).map(({ status }) => status)

describe('group commit', () => {
  it('R-DUR-2 commits in one go what is appended in one go', async () => {
    const { appender, commits } = refusing(false)
    await Promise.all(['1', '2', '3'].map((id) => appender.append(event(id))))
    expect(commits).toEqual([['1', '2', '3']])
    expect(appender.pending).toBe(0)
  })

  it('R-DUR-2 commits the others, in order, when the store refuses one of them for good', async () => {
    const { appender, commits } = refusing(false)
    const appended = ['1', 'bad', '2', '3'].map((id) => appender.append(event(id, 'lane')))
    expect(await outcomes(appended)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(commits).toEqual([['1'], ['2'], ['3']])
    expect(appender.pending).toBe(0)
  })

  it('R-SCH-4 refuses all of them when the store cannot be reached: trying each would only take longer', async () => {
    const { appender, commits } = refusing(true)
    const appended = ['1', 'bad', '2'].map((id) => appender.append(event(id)))
    expect(await outcomes(appended)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(commits).toEqual([])
  })
})
