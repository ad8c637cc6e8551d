import type { Report } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { anError, failed, newEvent, Store } from './support/store.ts'

const done = { ship: { status: 'done', attempts: 1 } } as const

const each = (lease: { key: string; token: string }): Report[] => [
  { kind: 'start', lease, handlers: ['ship'] },
  { kind: 'progress', lease, progress: {} },
  { kind: 'complete', lease },
  { kind: 'retry', lease, progress: {}, delayMs: 0 },
  { kind: 'release', lease },
  { kind: 'defer', lease, delayMs: 0 },
  { kind: 'undecodable', lease, error: anError() },
  { kind: 'dead', lease, reason: 'failed', progress: {} },
]

describe('report', () => {
  it('C-04 answers lost to the lease of an earlier claim, and changes nothing', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease: stale } = await store.claimOne(worker)
    await store.crash(worker)
    const { lease } = await store.claimOne(await store.join())
    const before = await store.persistence.inspect.get(lease.key)
    expect(lease.key).toBe(stale.key)
    expect(new Set((await store.events.report(each(stale))).map(({ status }) => status))).toEqual(new Set(['lost']))
    expect(await store.persistence.inspect.get(lease.key)).toEqual(before)
    expect(await store.complete(lease)).toBe('ok')
  })

  it('C-04 answers lost to a wrong token and to an event that is gone', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    expect(await store.complete({ ...lease, token: 'guessed' })).toBe('lost')
    expect([await store.complete(lease), await store.complete(lease)]).toEqual(['ok', 'lost'])
  })

  it('applies each report by itself', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'), newEvent('b'))
    const [a, b] = (await store.claim(worker)).events
    const answers = await store.events.report([
      { kind: 'complete', lease: a!.lease },
      { kind: 'complete', lease: { key: 'x', token: 'y' } },
      { kind: 'complete', lease: b!.lease },
    ])
    expect(answers.map(({ status }) => status)).toEqual(['ok', 'lost', 'ok'])
  })

  it('start raises the unreported starts and records the handlers of the first one; any other report resets them', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'start', lease, handlers: ['ship'] }])
    expect(await store.persistence.inspect.get(lease.key)).toMatchObject({ started: true, unreported: 1 })
    await store.events.report([{ kind: 'progress', lease, progress: done }])
    expect(await store.persistence.inspect.get(lease.key)).toMatchObject({
      state: 'running',
      started: true,
      unreported: 0,
      progress: done,
    })
    await store.crash(worker)
    const again = await store.claimOne(await store.join(), { start: 1 })
    expect(again).toMatchObject({ handlers: ['ship'], progress: done, unreported: 0, interruptions: 1, started: true })
  })

  it('R-LANE-3 retry makes the lane wait, and puts the event first when its time has come', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const { lease } = await store.claimOne(one)
    await store.events.report([{ kind: 'retry', lease, progress: failed(), delayMs: 1_000 }])
    await store.append(newEvent('urgent', { lane: 'x', orderOffsetMs: -1_000_000 }))
    store.clock.advance(999)
    expect([await store.ids(one), await store.ids(two)]).toEqual([[], []])
    store.clock.advance(1)
    const { events } = await store.claim(two)
    expect(events.map(({ message }) => message.id)).toEqual(['a', 'urgent', 'b'])
    expect(events[0]).toMatchObject({ orderKey: -Infinity, progress: failed(), interruptions: 0, unreported: 0 })
  })

  it('R-LANE-3 retry keeps the lane closed to its holder too, who still holds others of it', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(...['a', 'b', 'c'].map((id) => newEvent(id, { lane: 'x' })))
    const [a, b] = (await store.claim(worker, { laneLimit: 2 })).events
    await store.events.report([{ kind: 'retry', lease: a!.lease, progress: {}, delayMs: 1_000 }])
    expect(await store.ids(worker)).toEqual([])
    await store.events.report([{ kind: 'release', lease: b!.lease }])
    expect(await store.ids(worker)).toEqual([])
    store.clock.advance(1_000)
    expect(await store.ids(worker)).toEqual(['a', 'b', 'c'])
  })

  it('retry without a delay is ready at once', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'retry', lease, progress: {}, delayMs: 0 }])
    expect(await store.persistence.inspect.get(lease.key)).toMatchObject({ state: 'ready' })
  })

  it('C-13, R-DUR-12 release gives it back as if it had never been claimed', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a'))
    const first = await store.claimOne(one, { start: 1 })
    await store.events.report([{ kind: 'release', lease: first.lease }])
    const second = await store.claimOne(two, { start: 1 })
    expect(second.lease.token).not.toBe(first.lease.token)
    expect({ ...second, lease: undefined }).toEqual({ ...first, lease: undefined })
  })

  it('release with progress keeps that, and the event goes first in its lane', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }))
    const { lease } = await store.claimOne(worker, { start: 1 })
    await store.events.report([{ kind: 'release', lease, progress: done }])
    await store.append(newEvent('urgent', { lane: 'x', orderOffsetMs: -1_000 }))
    expect(await store.claimOne(worker)).toMatchObject({ progress: done, orderKey: -Infinity, handlers: ['ship'] })
  })

  it('R-DUR-13 defer waits without its lane, and remembers since when', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const since = store.clock.now()
    await store.events.report([{ kind: 'defer', lease: (await store.claimOne(worker)).lease, delayMs: 1_000 }])
    const b = await store.claimOne(worker)
    expect(b.message.id).toBe('b')
    await store.complete(b.lease)
    store.clock.advance(1_000)
    const second = await store.claimOne(worker)
    expect(second.deferredSince).toBe(since)
    await store.events.report([{ kind: 'defer', lease: second.lease, delayMs: 1_000 }])
    store.clock.advance(1_000)
    expect((await store.claimOne(worker)).deferredSince).toBe(since)
  })

  it('C-24, R-DUR-9 undecodable keeps it, visible, and blocks nothing', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'undecodable', lease, error: anError('odd') }])
    expect(await store.ids(worker)).toEqual(['b'])
    expect(await store.persistence.inspect.get(lease.key)).toMatchObject({
      state: 'undecodable',
      error: { message: 'odd' },
    })
  })

  it('tells when a ready event goes before what the worker still holds of the lane', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(...['a', 'b', 'c'].map((id) => newEvent(id, { lane: 'x' })))
    const [a, b, c] = (await store.claim(worker)).events
    await store.append(newEvent('later', { lane: 'x' }))
    expect(await store.events.report([{ kind: 'complete', lease: a!.lease }])).toEqual([{ status: 'ok' }])
    await store.append(newEvent('urgent', { lane: 'x', orderOffsetMs: -1_000 }))
    expect(await store.events.report([{ kind: 'start', lease: b!.lease, handlers: [] }])).toEqual([{ status: 'ok' }])
    expect(await store.events.report([{ kind: 'complete', lease: b!.lease }])).toEqual([
      { status: 'ok', overtaken: true },
    ])
    await store.events.report([{ kind: 'release', lease: c!.lease }])
    expect(await store.ids(worker)).toEqual(['urgent', 'c', 'later'])
  })

  it('copies progress: what the reporter changes afterwards is not in the store', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    const progress = { ship: { status: 'trying' as const, attempts: 1 } }
    await store.events.report([{ kind: 'progress', lease, progress }])
    progress.ship.attempts = 7
    expect((await store.persistence.inspect.get(lease.key))!.progress).toEqual({
      ship: { status: 'trying', attempts: 1 },
    })
  })
})
