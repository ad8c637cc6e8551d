import { describe, expect, it } from 'vitest'
import { claimType, newEvent, Store } from './support/store.ts'

describe('claim', () => {
  it('C-01, C-02 gives every event to exactly one worker', async () => {
    const store = new Store()
    const workers = await Promise.all(Array.from({ length: 16 }, () => store.join()))
    await store.append(...Array.from({ length: 2_000 }, (_, index) => newEvent(`e${index}`)))
    const claims = await Promise.all(
      Array.from({ length: 320 }, (_, index) => store.ids(workers[index % 16]!, { limit: 7 })),
    )
    const ids = claims.flat()
    expect(ids).toHaveLength(2_000)
    expect(new Set(ids).size).toBe(2_000)
  })

  it('C-03 gives no more than the limit, and says whether that was all', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'), newEvent('b'), newEvent('c'))
    expect((await store.claim(worker, { limit: 2 })).exhausted).toBe(false)
    const rest = await store.claim(worker, { limit: 1 })
    expect(rest.events).toHaveLength(1)
    expect(rest.exhausted).toBe(true)
  })

  it('gives a worker that does not exist nothing', async () => {
    const store = new Store()
    await store.append(newEvent('a'))
    expect(await store.claim('nobody')).toEqual({ events: [], exhausted: true, now: store.clock.now() })
  })

  it('C-18, R-PRI-5 takes the lowest order key first, then the earlier event, among lanes and events without one', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(
      newEvent('late', { orderOffsetMs: 50 }),
      newEvent('early', { orderOffsetMs: -50, lane: 'a' }),
      newEvent('first', { lane: 'b' }),
      newEvent('second'),
    )
    expect(await store.ids(worker)).toEqual(['early', 'first', 'second', 'late'])
  })

  it('R-PRI-5 compares priorities alone for events without an offset', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(
      newEvent('low', { priority: 90, orderOffsetMs: undefined }),
      newEvent('high', { priority: 10, orderOffsetMs: undefined }),
    )
    expect(await store.ids(worker)).toEqual(['high', 'low'])
  })

  it('C-16 gives a scheduled event when it is due, and not a millisecond before', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { due: { delayMs: 1_000 } }))
    store.clock.advance(999)
    expect(await store.ids(worker)).toEqual([])
    store.clock.advance(1)
    expect(await store.ids(worker)).toEqual(['a'])
  })

  it('R-LANE-3 gives nobody else anything of a lane that a worker holds', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }), newEvent('c', { lane: 'x' }))
    const first = await store.claimOne(one)
    expect(await store.ids(two)).toEqual([])
    expect(await store.ids(one, { limit: 1 })).toEqual(['b'])
    await store.complete(first.lease)
    expect(await store.ids(two)).toEqual([])
    expect(await store.ids(one)).toEqual(['c'])
  })

  it('R-LANE-3 frees a lane when its holder holds none of it any more', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    await store.complete((await store.claimOne(one)).lease)
    expect(await store.ids(two)).toEqual(['b'])
  })

  it('gives no more of one lane than the lane limit, what is held already included', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(...['a', 'b', 'c', 'd'].map((id) => newEvent(id, { lane: 'x' })), newEvent('free'))
    const first = await store.claim(worker, { laneLimit: 2 })
    expect(first.events.map(({ message }) => message.id)).toEqual(['a', 'b', 'free'])
    expect(first.exhausted).toBe(true)
    expect(await store.ids(worker, { laneLimit: 2 })).toEqual([])
    expect(await store.ids(worker, { laneLimit: 3 })).toEqual(['c'])
  })

  it('gives no more serial events than their limit, and others past them', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(...['a', 'b', 'c'].map((id) => newEvent(id, { serial: true })), newEvent('free'))
    const claimed = await store.claim(worker, { serialLimit: 2 })
    expect(claimed.events.map(({ message, serial }) => [message.id, serial])).toEqual([
      ['a', true],
      ['b', true],
      ['free', false],
    ])
    expect(claimed.exhausted).toBe(true)
  })

  it('R-DUR-13 sets aside what it has no type for, and the lane goes on', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(
      newEvent('alien', { type: 'alien', lane: 'x' }),
      newEvent('a', { lane: 'x' }),
      newEvent('b', { type: 'alien' }),
    )
    expect(await store.ids(worker)).toEqual(['a'])
    expect(await store.persistence.inspect.counts()).toMatchObject({ unhandled: 2, running: 1, ready: 0 })
  })

  it('R-DUR-13 gives what others set aside to a worker that has the type', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a', { type: 'alien' }), newEvent('b', { type: 'alien' }))
    await store.claim(one)
    expect((await store.events.ready([claimType('alien')])).readied).toBe(2)
    await store.claim(one)
    expect(await store.ids(two, { types: [claimType('alien')] })).toEqual(['a', 'b'])
  })

  it('tells versions of a type apart', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    expect(await store.ids(worker, { types: [claimType('order.placed', { version: 2 })] })).toEqual([])
    expect(await store.ids(worker)).toEqual(['a'])
  })

  it('leaves a paused type where it is, and the lanes behind it wait', async () => {
    const store = new Store()
    const worker = await store.join()
    const types = [claimType('held', { paused: true }), claimType()]
    await store.append(
      newEvent('held', { type: 'held', lane: 'x' }),
      newEvent('behind', { lane: 'x' }),
      newEvent('free', { type: 'held' }),
      newEvent('other'),
    )
    expect(await store.ids(worker, { types })).toEqual(['other'])
    expect(await store.persistence.inspect.counts()).toMatchObject({ ready: 3, unhandled: 0 })
    expect(await store.ids(worker, { types: [claimType('held'), claimType()] })).toEqual(['held', 'behind', 'free'])
  })

  it('C-11 records the first ones as started, of a lane only the first, and only types that may be', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(
      newEvent('a', { lane: 'x' }),
      newEvent('b', { lane: 'x' }),
      newEvent('never', { type: 'never' }),
      newEvent('c'),
      newEvent('d'),
    )
    const types = [claimType(), claimType('never', { handlers: undefined })]
    const { events } = await store.claim(worker, { types, start: 2 })
    expect(events.map(({ message, started, unreported }) => [message.id, started, unreported])).toEqual([
      ['a', true, 0],
      ['b', false, 0],
      ['never', false, 0],
      ['c', true, 0],
      ['d', false, 0],
    ])
    const stored = await store.persistence.inspect.get(events[0]!.lease.key)
    expect(stored).toMatchObject({ started: true, unreported: 1, worker })
  })

  it('does not start an event of a lane of which the worker holds another', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    await store.claimOne(worker, { start: 1 })
    expect((await store.claimOne(worker, { start: 1 })).started).toBe(false)
  })

  it('says that an event has expired if it was not started in time, and does not start it', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { expiresInMs: 1_000 }), newEvent('b', { expiresInMs: 1_001 }))
    store.clock.advance(1_000)
    const { events } = await store.claim(worker, { start: 5 })
    expect(events.map(({ expired, started }) => [expired, started])).toEqual([
      [true, false],
      [false, true],
    ])
  })

  it('does not call an event expired that was started before', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { expiresInMs: 1_000 }))
    await store.claim(worker, { start: 1 })
    await store.crash()
    expect(await store.claimOne(await store.join())).toMatchObject({ expired: false, interruptions: 1 })
  })

  it('costs little when very many events of a paused type wait in front', async () => {
    const store = new Store()
    const worker = await store.join()
    const types = [claimType('held', { paused: true }), claimType()]
    await store.append(...Array.from({ length: 20_000 }, (_, index) => newEvent(`h${index}`, { type: 'held' })))
    for (let round = 0; round < 2_000; round++) {
      await store.append(newEvent(`e${round}`))
      await store.complete((await store.claimOne(worker, { types })).lease)
    }
    expect(await store.persistence.inspect.counts()).toMatchObject({ ready: 20_000, running: 0 })
  })
})

describe('an event that only its appending worker may claim', () => {
  it('R-DUR-17 is given to nobody else while that worker lives, and its lane waits for it', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.events.append([newEvent('mine', { mine: true }), newEvent('ordered', { mine: true, lane: 'x' })], one)
    await store.append(newEvent('behind', { lane: 'x' }))
    expect(await store.ids(two)).toEqual([])
    expect(await store.ids(one)).toEqual(['mine', 'ordered', 'behind'])
  })

  it('R-DUR-17 is given to anybody when that worker is gone', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.events.append(
      [
        newEvent('a', { mine: true }),
        newEvent('b', { mine: true, lane: 'x' }),
        newEvent('c', { mine: true, due: { delayMs: 10 } }),
      ],
      one,
    )
    await store.claimOne(one)
    await store.events.leave(one)
    store.clock.advance(10)
    expect(await store.ids(two)).toEqual(['a', 'b', 'c'])
  })

  it('is anybody’s if the appending worker does not exist', async () => {
    const store = new Store()
    await store.events.append([newEvent('a', { mine: true })], 'nobody')
    expect(await store.ids(await store.join())).toEqual(['a'])
  })
})
