import { describe, expect, it } from 'vitest'
import { BusError } from '../../src/errors.ts'
import type { Appended, NewEvent } from '../../src/persistence.ts'
import { Appender } from '../../src/store-runner/appender.ts'
import { Timer, Timers } from '../../src/timers.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

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

const keyedEvent = (id: string, lane?: string): NewEvent => ({ ...event(id, lane), idempotencyKey: id })

const stored = (key: string): Appended => ({
  status: 'stored',
  key,
  acceptedAt: 0,
  orderKey: 0,
  dueAt: 0,
  lease: undefined,
  started: false,
})

class Idle extends Timer {
  fire(): void {}
}

const noTimers = { after: () => new Idle(0), cancel: () => false }

/** A store that writes down what is committed together, and takes nothing with `bad`. */
const refusing = (retryable: boolean) => {
  const commits: string[][] = []
  const appender = new Appender({
    batchSize: 10,
    parallelAppends: 1,
    landed: () => undefined,
    ...noTimers,
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

/** A store whose commits of events with a key are over when they are let go. */
const locking = (timers: Pick<Timers, 'after' | 'cancel'> = noTimers) => {
  const commits: string[][] = []
  const unlocked = Promise.withResolvers<void>()
  const appender = new Appender({
    batchSize: 10,
    parallelAppends: 2,
    landed: () => undefined,
    after: (delayMs, callback) => timers.after(delayMs, callback),
    cancel: (timer) => timers.cancel(timer),
    append: async (events) => {
      if (events.some(({ idempotencyKey }) => idempotencyKey !== undefined)) await unlocked.promise
      commits.push(events.map(({ message }) => message.id))
      return events.map(({ message }) => stored(message.id))
    },
  })
  return { appender, commits, unlock: unlocked.resolve }
}

describe('idempotency keys', () => {
  it('R-DUR-8 that wait for a transaction do not hold up what has none, however many they are', async () => {
    const { appender, commits, unlock } = locking()
    const keyed = Array.from({ length: 50 }, (_, n) => appender.append(keyedEvent(`key ${n}`)))
    await Promise.all(['1', '2', '3'].map((id) => appender.append(event(id))))
    expect(commits).toEqual([['1', '2', '3']])
    unlock()
    expect(new Set(await outcomes(keyed))).toEqual(new Set(['fulfilled']))
    expect(appender.pending).toBe(0)
  })

  it('R-LANE-3 leave the events of a lane in call order', async () => {
    const { appender, commits, unlock } = locking()
    const appended = [
      appender.append(event('1', 'lane')),
      appender.append(keyedEvent('2', 'lane')),
      appender.append(event('3', 'lane')),
      appender.append(event('of another', 'other')),
      appender.append(keyedEvent('4', 'lane')),
    ]
    await Promise.all([appended[0], appended[3]])
    unlock()
    expect(await outcomes(appended)).toEqual(Array.from({ length: 5 }, () => 'fulfilled'))
    expect(commits.flat().filter((id) => id !== 'of another')).toEqual(['1', '2', '3', '4'])
  })

  it('R-LANE-3 leave the own lane of the bus in call order', async () => {
    const { appender, unlock } = locking()
    const told: string[] = []
    const appended = Array.from({ length: 8 }, (_, n) => {
      const id = String(n)
      return appender.append({ ...(n % 2 === 0 ? keyedEvent(id) : event(id)), serial: true }, () => told.push(id))
    })
    unlock()
    await Promise.all(appended)
    await settle()
    expect(told).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  it('R-LANE-3 R-DUR-8 hold up the own lane of the bus only for a while', async () => {
    const clock = new VirtualClock()
    const { appender, unlock } = locking(new Timers(clock))
    const told: string[] = []
    const serial = (id: string): NewEvent => ({ ...event(id), serial: true })
    const keyed = appender.append({ ...keyedEvent('1'), serial: true }, () => told.push('1'))
    await appender.append(serial('2'), () => told.push('2'))
    expect(told).toEqual([])
    await clock.advance(100)
    expect(told).toEqual(['2'])
    unlock()
    await keyed
    expect(told).toEqual(['2', '1'])
  })
})
