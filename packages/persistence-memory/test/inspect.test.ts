import { describe, expect, it } from 'vitest'
import { anError, claimType, failed, newEvent, Store } from './support/store.ts'

describe('cancel', () => {
  it('C-19, R-SCH-5 wins before a claim, and is too late after it', async () => {
    const store = new Store()
    const worker = await store.join()
    const [a, b] = await store.append(newEvent('a'), newEvent('b', { due: { delayMs: 10 } }))
    expect(await store.events.cancel(b!.key)).toBe('cancelled')
    expect(await store.events.cancel(b!.key)).toBe('too-late')
    await store.claimOne(worker)
    expect(await store.events.cancel(a!.key)).toBe('too-late')
    expect(await store.events.cancel('unknown')).toBe('too-late')
    store.clock.advance(10)
    expect(await store.ids(worker)).toEqual([])
    expect((await store.events.ready([])).nextDueInMs).toBeUndefined()
  })

  it('C-19 and claim, racing a thousand times, have one outcome each', async () => {
    const store = new Store()
    const worker = await store.join()
    const stored = await store.append(...Array.from({ length: 1_000 }, (_, index) => newEvent(`e${index}`)))
    const claims: Promise<string[]>[] = []
    const cancels = stored.map(({ key }, index) => {
      if (index % 3 === 0) claims.push(store.ids(worker, { limit: 2 }))
      return store.events.cancel(key)
    })
    const cancelled = (await Promise.all(cancels)).filter((answer) => answer === 'cancelled').length
    const claimed = (await Promise.all([...claims, store.ids(worker, { limit: 1_000 })])).flat().length
    expect(cancelled + claimed).toBe(1_000)
  })

  it('of a retry lets its lane go on', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'retry', lease, progress: {}, delayMs: 1_000 }])
    expect(await store.events.cancel(lease.key)).toBe('cancelled')
    expect(await store.ids(worker)).toEqual(['b'])
  })

  it('by a person also takes away what is unhandled, undecodable or dead', async () => {
    const store = new Store({ deadLetters: false })
    const worker = await store.join()
    const [alien] = await store.append(newEvent('alien', { type: 'alien' }), newEvent('a'), newEvent('b'))
    const [a, b] = (await store.claim(worker)).events
    await store.events.report([
      { kind: 'undecodable', lease: a!.lease, error: anError() },
      { kind: 'dead', lease: b!.lease, reason: 'failed', progress: {} },
    ])
    expect(await store.events.cancel(b!.lease.key)).toBe('too-late')
    const { inspect } = store.persistence
    for (const key of [alien!.key, a!.lease.key, b!.lease.key]) expect(await inspect.cancel(key)).toBe('cancelled')
    expect(await inspect.list()).toEqual({ entries: [], next: undefined })
  })
})

describe('reschedule', () => {
  it('C-20 gives another due time to what nobody has claimed', async () => {
    const store = new Store()
    const worker = await store.join()
    const { inspect } = store.persistence
    const [a, b] = await store.append(newEvent('a', { due: { delayMs: 1_000 } }), newEvent('b'))
    expect(await inspect.reschedule(a!.key, { delayMs: 10 })).toBe('rescheduled')
    expect(await inspect.reschedule(b!.key, { at: store.clock.now() + 20 })).toBe('rescheduled')
    expect(await store.ids(worker)).toEqual([])
    store.clock.advance(20)
    expect((await store.claim(worker)).events).toMatchObject([
      { message: { id: 'a' }, orderKey: a!.acceptedAt + 10 },
      { message: { id: 'b' }, orderKey: b!.acceptedAt + 20 },
    ])
    expect(await inspect.reschedule(a!.key, { delayMs: 10 })).toBe('too-late')
  })

  it('into the past makes it ready', async () => {
    const store = new Store()
    const [a] = await store.append(newEvent('a', { due: { delayMs: 1_000 } }))
    await store.persistence.inspect.reschedule(a!.key, { at: 0 })
    expect(await store.ids(await store.join())).toEqual(['a'])
  })

  it('of a retry moves the time that its lane waits for', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'retry', lease, progress: {}, delayMs: 1_000 }])
    await store.persistence.inspect.reschedule(lease.key, { delayMs: 2_000 })
    store.clock.advance(1_999)
    expect(await store.ids(worker)).toEqual([])
    store.clock.advance(1)
    expect(await store.ids(worker)).toEqual(['a', 'b'])
  })
})

describe('retryNow', () => {
  it('makes ready what waits for its time, before what comes later', async () => {
    const store = new Store()
    const worker = await store.join()
    const [a] = await store.append(newEvent('a', { due: { delayMs: 1_000_000 }, lane: 'x' }))
    expect(await store.persistence.inspect.retryNow(a!.key)).toBe('readied')
    expect(await store.persistence.inspect.retryNow(a!.key)).toBe('readied')
    store.clock.advance(1)
    await store.append(newEvent('b', { lane: 'x' }))
    expect(await store.ids(worker)).toEqual(['a', 'b'])
    expect(await store.persistence.inspect.retryNow(a!.key)).toBe('too-late')
  })

  it('opens the lane that waited for it', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'retry', lease, progress: {}, delayMs: 1_000 }])
    await store.persistence.inspect.retryNow(lease.key)
    expect(await store.ids(worker)).toEqual(['a', 'b'])
  })

  it('begins a dead event anew', async () => {
    const store = new Store({ deadLetters: false })
    const worker = await store.join()
    await store.append(newEvent('a', { expiresInMs: 1 }))
    store.clock.advance(1)
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'dead', lease, reason: 'expired', progress: failed(3) }])
    expect(await store.persistence.inspect.retryNow(lease.key)).toBe('readied')
    expect(await store.claimOne(worker)).toMatchObject({
      expired: false,
      replays: 1,
      progress: { ship: { status: 'trying', attempts: 0 } },
    })
  })
})

describe('ready', () => {
  it('says what became ready, and when the next event is due', async () => {
    const store = new Store()
    await store.append(newEvent('a', { due: { delayMs: 10 } }), newEvent('b', { due: { delayMs: 50 } }))
    expect(await store.events.ready([claimType()])).toMatchObject({ readied: 0, nextDueInMs: 10 })
    store.clock.advance(30)
    expect(await store.events.ready([claimType()])).toMatchObject({ readied: 1, nextDueInMs: 20 })
    expect(await store.events.sweep()).toMatchObject({ nextDueInMs: 20 })
  })
})

describe('counts and lists', () => {
  it('count each event in one state', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(
      newEvent('alien', { type: 'alien' }),
      newEvent('odd'),
      newEvent('running'),
      newEvent('later', { due: { delayMs: 1 } }),
    )
    const [odd] = (await store.claim(worker)).events
    await store.events.report([{ kind: 'undecodable', lease: odd!.lease, error: anError() }])
    await store.append(newEvent('ready'))
    expect(await store.persistence.inspect.counts()).toEqual({
      scheduled: 1,
      ready: 1,
      running: 1,
      unhandled: 1,
      undecodable: 1,
      dead: 0,
      deadLetters: 0,
      oldestReadyMs: 0,
      stuck: 0,
      workers: 1,
    })
  })

  it('tell for how long the event that waits longest has been due', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'), newEvent('b', { due: { delayMs: 300 } }))
    store.clock.advance(500)
    await store.events.ready([])
    const oldest = async () => (await store.persistence.inspect.counts()).oldestReadyMs
    expect(await oldest()).toBe(500)
    await store.claimOne(worker)
    expect(await oldest()).toBe(200)
    await store.claimOne(worker)
    expect(await oldest()).toBe(0)
  })

  it('give pages by state, type and session, in the order of arrival', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(...Array.from({ length: 5 }, (_, index) => newEvent(`e${index}`)), newEvent('x', { type: 'x' }))
    await store.claim(worker, { limit: 1 })
    const { inspect } = store.persistence
    const first = await inspect.list({ state: 'ready', type: 'order.placed', limit: 3 })
    const second = await inspect.list({ state: 'ready', type: 'order.placed', limit: 3, cursor: first.next })
    expect(first.entries.map(({ message }) => message.id)).toEqual(['e1', 'e2', 'e3'])
    expect(second.entries.map(({ message }) => message.id)).toEqual(['e4'])
    expect((await inspect.list({ sessionId: 'other' })).entries).toEqual([])
  })
})
