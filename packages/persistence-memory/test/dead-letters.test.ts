import { describe, expect, it } from 'vitest'
import { anError, failed, message, newEvent, Store } from './support/store.ts'

const bury = async (store: Store, ...ids: string[]): Promise<string[]> => {
  const worker = await store.join('desk')
  await store.append(...ids.map((id) => newEvent(id)))
  const { events } = await store.claim(worker, { start: ids.length })
  await store.events.report(
    events.map(({ lease }) => ({ kind: 'dead', lease, reason: 'failed', progress: failed(3), error: anError() })),
  )
  return (await store.letters()).map(({ key }) => key)
}

describe('dead letters', () => {
  it('R-DUR-14, C-45 keep all that is known about an event and why it was given up', async () => {
    const store = new Store()
    const worker = await store.join('desk')
    const acceptedAt = store.clock.now()
    await store.append(newEvent('a', { lane: 'x', priority: 10, idempotencyKey: 'k', onCrash: 'fail' }))
    const { lease } = await store.claimOne(worker, { start: 1 })
    store.clock.advance(100)
    await store.events.report([{ kind: 'progress', lease, progress: { ship: { status: 'trying', attempts: 1 } } }])
    store.clock.advance(100)
    await store.events.report([{ kind: 'dead', lease, reason: 'failed', progress: failed(2), error: anError('why') }])
    expect(await store.letters()).toEqual([
      {
        key: expect.any(String),
        message: message('a'),
        reason: 'failed',
        lane: 'x',
        priority: 10,
        onCrash: 'fail',
        idempotencyKey: 'k',
        progress: failed(2),
        error: anError('why'),
        acceptedAt,
        firstFailedAt: acceptedAt + 100,
        deadAt: acceptedAt + 200,
        replays: 0,
        worker,
        edited: undefined,
      },
    ])
    expect(await store.persistence.inspect.counts()).toMatchObject({ running: 0, dead: 0, deadLetters: 1 })
  })

  it('R-DUR-14 without any the event stays as dead, and blocks nothing', async () => {
    const store = new Store({ deadLetters: false })
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'dead', lease, reason: 'failed', progress: failed(), error: anError('why') }])
    expect(store.persistence.deadLetters).toBeUndefined()
    expect(await store.persistence.inspect.get(lease.key)).toMatchObject({ state: 'dead', error: { message: 'why' } })
    expect(await store.ids(worker)).toEqual(['b'])
  })

  it('C-49 two replays at once put one event back', async () => {
    const store = new Store()
    const [key] = await bury(store, 'a')
    const letters = store.persistence.deadLetters!
    const answers = await Promise.all([1, 2, 3].map(() => letters.replay(key!)))
    expect(answers).toEqual(['replayed', 'gone', 'gone'])
    expect(await store.ids(await store.join())).toEqual(['a'])
  })

  it('C-47, C-50 a replayed event begins anew but for what is done, and dies as one letter', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { expiresInMs: 1 }))
    const { lease } = await store.claimOne(worker, { start: 1 })
    const progress = {
      audit: { status: 'done', attempts: 1 },
      ship: { status: 'failed', attempts: 3, errors: [anError()] },
    } as const
    await store.events.report([{ kind: 'dead', lease, reason: 'failed', progress }])
    const [letter] = await store.letters()
    store.clock.advance(60_000)
    await store.persistence.deadLetters!.replay(letter!.key)
    const again = await store.claimOne(worker)
    expect(again).toMatchObject({
      message: message('a'),
      replays: 1,
      unreported: 0,
      interruptions: 0,
      expired: false,
      handlers: ['ship'],
      progress: { audit: progress.audit, ship: { status: 'trying', attempts: 0, errors: [anError()] } },
    })
    expect(again.lease.key).not.toBe(lease.key)
    await store.events.report([{ kind: 'dead', lease: again.lease, reason: 'failed', progress }])
    expect(await store.letters()).toMatchObject([
      { replays: 1, firstFailedAt: letter!.firstFailedAt, message: { id: 'a' } },
    ])
  })

  it('a replayed event takes the place in its lane that its priority gives it now', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x', orderOffsetMs: 500 }))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'dead', lease, reason: 'failed', progress: {} }])
    store.clock.advance(1_000)
    await store.append(newEvent('b', { lane: 'x' }), newEvent('c', { lane: 'x', orderOffsetMs: 600 }))
    await store.persistence.deadLetters!.replay((await store.letters())[0]!.key)
    expect(await store.ids(worker)).toEqual(['b', 'a', 'c'])
  })

  it('C-52 an edited replay handles the edit, and keeps the original and who edited it', async () => {
    const store = new Store()
    const [key] = await bury(store, 'a')
    await store.persistence.deadLetters!.replay(key!, { payload: '1', by: 'ada' })
    const worker = await store.join()
    const first = await store.claimOne(worker)
    expect(first.message.payload).toBe('1')
    await store.events.report([{ kind: 'dead', lease: first.lease, reason: 'failed', progress: {} }])
    const [letter] = await store.letters()
    expect(letter!.edited).toEqual({ payload: message('a').payload, by: 'ada' })
    await store.persistence.deadLetters!.replay(letter!.key, { payload: '2', by: 'bob' })
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'dead', lease, reason: 'failed', progress: {} }])
    expect((await store.letters())[0]!.edited).toEqual({ payload: message('a').payload, by: 'bob' })
  })

  it('take what was never in the event store, and give it back', async () => {
    const store = new Store()
    const key = await store.persistence.deadLetters!.add({
      message: message('a'),
      reason: 'failed',
      lane: 'x',
      priority: 50,
      progress: failed(),
      error: undefined,
      worker: 'host',
    })
    expect(await store.persistence.deadLetters!.get(key)).toMatchObject({ worker: 'host', lane: 'x', replays: 0 })
    await store.persistence.deadLetters!.replay(key)
    expect(await store.persistence.deadLetters!.get(key)).toBeUndefined()
    expect(await store.claimOne(await store.join())).toMatchObject({ message: { id: 'a' }, lane: 'x', replays: 1 })
  })

  it('are counted by reason, and discarded by key', async () => {
    const store = new Store()
    const keys = await bury(store, 'a', 'b', 'c')
    expect(await store.persistence.deadLetters!.count()).toEqual({ failed: 3 })
    expect(await store.persistence.deadLetters!.discard([keys[0]!, keys[0]!, 'no', keys[2]!])).toBe(2)
    expect((await store.letters()).map(({ message: { id } }) => id)).toEqual(['b'])
    await store.persistence.deadLetters!.discard(keys)
    expect(await store.persistence.deadLetters!.count()).toEqual({})
  })

  it('C-56 are listed oldest first in pages that what comes and goes does not shift', async () => {
    const store = new Store()
    const keys = await bury(store, 'a', 'b', 'c', 'd')
    const letters = store.persistence.deadLetters!
    const first = await letters.list({ limit: 2 })
    await letters.discard([keys[0]!, keys[1]!])
    await bury(store, 'e')
    const second = await letters.list({ limit: 2, cursor: first.next })
    const third = await letters.list({ limit: 2, cursor: second.next })
    expect([first, second, third].map(({ entries }) => entries.map((letter) => letter.message.id))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['e'],
    ])
    expect(third.next).toBeUndefined()
  })

  it('C-56 are found by type, reason, session and time', async () => {
    const store = new Store()
    const start = store.clock.now()
    await bury(store, 'a')
    store.clock.advance(1_000)
    await bury(store, 'b')
    const found = async (query: object) => (await store.persistence.deadLetters!.list(query)).entries.length
    expect(await found({ type: 'order.placed' })).toBe(2)
    expect(await found({ type: 'other' })).toBe(0)
    expect(await found({ reason: 'failed', sessionId: 'BUS' })).toBe(2)
    expect(await found({ reason: 'expired' })).toBe(0)
    expect(await found({ since: start + 1_000 })).toBe(1)
    expect(await found({ until: start + 1_000 })).toBe(1)
  })

  it('refuse a cursor that no page gave', async () => {
    const { persistence } = new Store()
    await expect(persistence.deadLetters!.list({ cursor: 'x' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(persistence.deadLetters!.list({ limit: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
