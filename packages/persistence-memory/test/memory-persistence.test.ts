import { describe, expect, it } from 'vitest'
import { memoryPersistence } from '../src/index.ts'
import { claimType, failed, message, newEvent, Store } from './support/store.ts'

describe('memoryPersistence', () => {
  it('has dead letters unless told otherwise, and an event log only if asked', () => {
    const plain = memoryPersistence()
    expect([plain.deadLetters?.contract, plain.eventLog]).toEqual(['dead-letter-store/1', undefined])
    const other = memoryPersistence({ deadLetters: false, eventLog: true })
    expect([other.deadLetters, other.eventLog?.contract]).toEqual([undefined, 'event-log/1'])
  })

  it('has settings with defaults; the heartbeat is a third of the lease', () => {
    expect(memoryPersistence().events.settings).toEqual({
      leaseMs: 5_000,
      heartbeatMs: 5_000 / 3,
      sweepMs: 1_000,
      pollMs: 1_000,
      batchSize: 500,
      parallelAppends: 2,
      connectMs: 5_000,
      noHandlerAfterMs: 3_600_000,
    })
    const { settings } = memoryPersistence({ settings: { leaseMs: 900, pollMs: 5 } }).events
    expect([settings.heartbeatMs, settings.pollMs]).toEqual([300, 5])
  })

  it.each([
    { settings: { leaseMs: 0 } },
    { settings: { batchSize: 1.5 } },
    { settings: { pollMs: Number.NaN } },
    { idempotencyRetentionMs: -1 },
    { eventLog: { maxCount: Number.NaN } },
  ])('refuses %j', (options) => {
    expect(() => memoryPersistence(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('opens and closes as often as one likes, and goes on for others who share it', async () => {
    const store = new Store()
    await store.events.open()
    await store.events.open()
    await store.append(newEvent('a'))
    await store.events.close()
    expect(await store.ids(await store.join())).toEqual(['a'])
  })
})

describe('hints', () => {
  it('come once for all that became ready in one turn', async () => {
    const store = new Store()
    let hints = 0
    using _ = store.events.onHint(() => hints++)
    await store.append(newEvent('a'), newEvent('b'))
    expect(hints).toBe(1)
  })

  it('come when an event falls due, is given back, or its lane becomes free', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(
      newEvent('a', { lane: 'x' }),
      newEvent('b', { lane: 'x' }),
      newEvent('c', { due: { delayMs: 1 } }),
    )
    let hints = 0
    using _ = store.events.onHint(() => hints++)
    const { lease } = await store.claimOne(worker)
    expect(hints).toBe(0)
    await store.complete(lease)
    expect(hints).toBe(1)
    const b = await store.claimOne(worker)
    await store.events.report([{ kind: 'release', lease: b.lease }])
    expect(hints).toBe(2)
    store.clock.advance(1)
    await store.events.ready([])
    expect(hints).toBe(3)
  })

  it('do not come for what stays out of reach', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('alien', { type: 'alien' }))
    let hints = 0
    using _ = store.events.onHint(() => hints++)
    await store.claim(worker)
    await store.append(newEvent('later', { due: { delayMs: 1_000 } }))
    await store.events.ready([claimType('alien')])
    await store.claim(worker)
    await store.events.sweep()
    expect(hints).toBe(0)
  })

  it('stop with their subscription, and a listener that throws fails nobody', async () => {
    const store = new Store()
    let hints = 0
    const first = store.events.onHint(() => hints++)
    using _broken = store.events.onHint(() => {
      throw new Error('broken')
    })
    using _ = store.events.onHint(() => (hints += 10))
    await store.append(newEvent('a'))
    first[Symbol.dispose]()
    await store.append(newEvent('b'))
    expect(hints).toBe(21)
  })
})

describe('the event log', () => {
  it('records each stored event once, with its commit, and what is written to it', async () => {
    const store = new Store({ eventLog: true })
    const worker = await store.join()
    await store.append(newEvent('a', { idempotencyKey: 'k' }), newEvent('b', { due: { delayMs: 1_000 } }))
    await store.append(newEvent('again', { idempotencyKey: 'k' }))
    await store.persistence.eventLog!.write([message('plain')])
    await store.complete((await store.claimOne(worker)).lease)
    const { entries } = await store.persistence.eventLog!.read()
    expect(entries.map((entry) => entry.message.id)).toEqual(['a', 'b', 'plain'])
    expect(entries[0]!.loggedAt).toBe(store.clock.now())
  })

  it('records the types that it was told to, and no commands', async () => {
    const store = new Store({ eventLog: { types: ['order.placed'] } })
    const log = store.persistence.eventLog!
    expect([log.records('order.placed'), log.records('other')]).toEqual([true, false])
    await store.append(newEvent('a'), newEvent('b', { type: 'other' }))
    await log.write([message('c', { type: 'other' }), message('d', { kind: 'command' })])
    expect((await log.read()).entries.map((entry) => entry.message.id)).toEqual(['a'])
  })

  it('keeps so many, for so long', async () => {
    const store = new Store({ eventLog: { maxCount: 3, maxAgeMs: 1_000 } })
    const log = store.persistence.eventLog!
    await log.write(['a', 'b', 'c', 'd'].map((id) => message(id)))
    expect((await log.read()).entries.map((entry) => entry.message.id)).toEqual(['b', 'c', 'd'])
    store.clock.advance(1_000)
    await log.write([message('e')])
    expect((await log.read()).entries).toHaveLength(3)
    store.clock.advance(1)
    expect((await log.read()).entries.map((entry) => entry.message.id)).toEqual(['e'])
  })

  it('is read in pages, by type and session', async () => {
    const store = new Store({ eventLog: true })
    const log = store.persistence.eventLog!
    await log.write([message('a'), message('b', { sessionId: 's' }), message('c', { type: 't' }), message('d')])
    const first = await log.read({ limit: 3 })
    const second = await log.read({ limit: 3, cursor: first.next })
    expect([first, second].map(({ entries }) => entries.map((entry) => entry.message.id).join(''))).toEqual([
      'abc',
      'd',
    ])
    expect((await log.read({ sessionId: 's' })).entries).toHaveLength(1)
    expect((await log.read({ type: 't' })).entries).toHaveLength(1)
  })
})

describe('snapshot and restore', () => {
  const filled = async (): Promise<Store> => {
    const store = new Store({ eventLog: true })
    const worker = await store.join()
    await store.append(
      newEvent('started', { lane: 'x', idempotencyKey: 'k' }),
      newEvent('claimed', { lane: 'x' }),
      newEvent('dead'),
      newEvent('alien', { type: 'alien' }),
      newEvent('later', { due: { delayMs: 1_000 } }),
      newEvent('retried', { lane: 'y' }),
      newEvent('behind', { lane: 'y' }),
    )
    const { events } = await store.claim(worker, { start: 1, laneLimit: 2 })
    const leaseOf = (id: string) => events.find((event) => event.message.id === id)!.lease
    await store.events.report([
      { kind: 'dead', lease: leaseOf('dead'), reason: 'failed', progress: failed() },
      { kind: 'retry', lease: leaseOf('retried'), progress: failed(), delayMs: 5_000 },
      { kind: 'release', lease: leaseOf('behind') },
    ])
    return store
  }

  it('C-22 keep all that was committed, through JSON and into another process', async () => {
    const store = await filled()
    const other = new Store({ eventLog: true })
    other.persistence.restore(JSON.parse(JSON.stringify(store.persistence.snapshot())))
    expect(await other.persistence.inspect.counts()).toMatchObject({
      ready: 3,
      running: 0,
      scheduled: 2,
      unhandled: 1,
      deadLetters: 1,
      workers: 0,
    })
    const worker = await other.join()
    expect((await other.claim(worker, { laneLimit: 2 })).events).toMatchObject([
      { message: { id: 'started' }, interruptions: 1, unreported: 1, orderKey: -Infinity },
      { message: { id: 'claimed' }, interruptions: 0, unreported: 0 },
    ])
    other.clock.advance(5_000)
    expect(await other.ids(worker)).toEqual(['retried', 'behind', 'later'])
    expect(await other.append(newEvent('b', { idempotencyKey: 'k' }))).toEqual([{ status: 'duplicate', id: 'started' }])
    expect((await other.persistence.eventLog!.read()).entries).toHaveLength(7)
    expect(await other.letters()).toEqual(await store.letters())
  })

  it('end every worker and every lease, and never give a key twice', async () => {
    const store = new Store()
    const snapshot = store.persistence.snapshot()
    const worker = await store.join()
    const [before] = await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    store.persistence.restore(snapshot)
    expect(await store.events.heartbeat(worker)).toBe('lost')
    expect(await store.complete(lease)).toBe('lost')
    const [after] = await store.append(newEvent('b'))
    expect(Number(after!.key)).toBeGreaterThan(Number(before!.key))
  })

  it('are not touched by what happens afterwards', async () => {
    const store = await filled()
    const snapshot = store.persistence.snapshot()
    const copy = JSON.stringify(snapshot)
    await store.crash()
    store.persistence.restore(snapshot)
    await store.crash()
    await store.claim(await store.join(), { start: 5 })
    expect(JSON.stringify(snapshot)).toBe(copy)
  })

  it('R-DUR-11 treat what must not run twice as a crash does', async () => {
    const store = new Store()
    await store.append(newEvent('a', { onCrash: 'fail' }))
    await store.claim(await store.join(), { start: 1 })
    store.persistence.restore(store.persistence.snapshot())
    expect(await store.letters()).toMatchObject([{ reason: 'interrupted' }])
  })

  it('refuse what is no snapshot, and letters that there is no place for', async () => {
    const store = await filled()
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    expect(() => store.persistence.restore({} as never)).toThrow(refused)
    const without = new Store({ deadLetters: false })
    expect(() => without.persistence.restore(store.persistence.snapshot())).toThrow(refused)
  })

  it('keep the records of settled events', async () => {
    const store = new Store({ idempotencyRetentionMs: 1_000 })
    await store.append(newEvent('a', { idempotencyKey: 'k' }))
    await store.complete((await store.claimOne(await store.join())).lease)
    store.persistence.restore(store.persistence.snapshot())
    expect(await store.append(newEvent('b', { idempotencyKey: 'k' }))).toEqual([{ status: 'duplicate', id: 'a' }])
    store.clock.advance(1_000)
    await store.events.sweep()
    expect(store.persistence.snapshot().idempotencyKeys).toEqual([])
  })
})
