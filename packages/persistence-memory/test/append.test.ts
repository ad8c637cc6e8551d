import { describe, expect, it } from 'vitest'
import { newEvent, Store, type StoredAppended } from './support/store.ts'

const keep = { start: undefined }

describe('append', () => {
  it('R-DUR-2 tells key, acceptance, order key and due time in the order of the request', async () => {
    const store = new Store()
    const now = store.clock.now()
    const stored = await store.append(
      newEvent('a', { orderOffsetMs: 7 }),
      newEvent('b', { due: { delayMs: 500 }, orderOffsetMs: 7 }),
      newEvent('c', { due: { at: now - 1_000 } }),
    )
    expect(stored.map(({ acceptedAt, orderKey, dueAt }) => [acceptedAt - now, orderKey - now, dueAt - now])).toEqual([
      [0, 7, 0],
      [0, 507, 500],
      [0, 0, -1_000],
    ])
    const keys = stored.map(({ key }) => BigInt(key))
    expect(keys[0]! < keys[1]! && keys[1]! < keys[2]!).toBe(true)
  })

  it('C-17 makes a past time due at once, and keeps a time in the year 9999 exactly', async () => {
    const store = new Store()
    const worker = await store.join()
    const at = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
    const [far] = await store.append(newEvent('far', { due: { at } }), newEvent('past', { due: { at: 0 } }))
    expect(await store.ids(worker)).toEqual(['past'])
    expect(await store.persistence.inspect.get(far!.key)).toMatchObject({ dueAt: at, state: 'scheduled' })
    store.clock.time = at
    expect(await store.ids(worker)).toEqual(['far'])
  })

  it('keeps payload and headers byte for byte', async () => {
    const store = new Store()
    const worker = await store.join()
    const payload = `"${'ü\\u0000 '.repeat(100_000)}"`
    const event = newEvent('a')
    await store.append({ ...event, message: { ...event.message, payload } })
    expect((await store.claimOne(worker)).message.payload).toBe(payload)
  })

  it('keeps an event without a lane for the appending worker, and starts it if asked', async () => {
    const store = new Store()
    const worker = await store.join()
    const [kept, started] = (await store.events.append(
      [newEvent('a', { keep }), newEvent('b', { keep: { start: ['ship'] } })],
      worker,
    )) as StoredAppended[]
    expect([kept!.started, started!.started]).toEqual([false, true])
    expect(await store.persistence.inspect.get(started!.key)).toMatchObject({ state: 'running', unreported: 1, worker })
    expect(await store.ids(worker)).toEqual([])
    expect(await store.complete(kept!.lease!)).toBe('ok')
  })

  it('keeps and starts the first event of an idle lane; what comes behind it is kept and not started', async () => {
    const store = new Store()
    const worker = await store.join()
    const start = { keep: { start: ['ship'] }, lane: 'x' }
    const stored = (await store.events.append([newEvent('a', start), newEvent('b', start)], worker)) as StoredAppended[]
    expect(stored.map(({ lease, started }) => [lease !== undefined, started])).toEqual([
      [true, true],
      [true, false],
    ])
  })

  it.each([
    { why: 'something of its lane waits', before: [newEvent('waiting', { lane: 'x' })] },
    { why: 'something of its lane has fallen due', before: [newEvent('due', { lane: 'x', due: { delayMs: 10 } })] },
    { why: 'it is not due', due: { delayMs: 10 } },
    { why: 'its worker does not exist', appender: 'nobody' },
  ])('R-LANE-3 does not keep an event if $why', async ({ before = [], due, appender }) => {
    const store = new Store()
    const worker = await store.join()
    await store.append(...before)
    store.clock.advance(10)
    const event = newEvent('a', { keep: { start: ['ship'] }, lane: 'x', due })
    const [stored] = (await store.events.append([event], appender ?? worker)) as StoredAppended[]
    expect(stored).toMatchObject({ status: 'stored', lease: undefined, started: false })
  })

  it('R-LANE-3 does not keep an event of a lane that another worker holds, or that waits for a retry', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a', { lane: 'x' }))
    const { lease } = await store.claimOne(one)
    const [second] = (await store.events.append([newEvent('b', { keep, lane: 'x' })], two)) as StoredAppended[]
    expect(second!.lease).toBeUndefined()
    await store.events.cancel(second!.key)
    await store.events.report([{ kind: 'retry', lease, progress: {}, delayMs: 1_000 }])
    const [third] = (await store.events.append([newEvent('c', { keep, lane: 'x' })], one)) as StoredAppended[]
    expect(third!.lease).toBeUndefined()
  })

  it('keeps a bounded number of events of one lane', async () => {
    const store = new Store()
    const worker = await store.join()
    const events = Array.from({ length: 150 }, (_, index) => newEvent(`e${index}`, { keep, lane: 'x' }))
    const stored = (await store.events.append(events, worker)) as StoredAppended[]
    expect(stored.filter(({ lease }) => lease)).toHaveLength(100)
    expect(await store.ids(worker, { laneLimit: 101 })).toEqual(['e100'])
  })

  it('stores what a dead worker appends', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.crash(worker)
    const [stored] = (await store.events.append([newEvent('a', { keep })], worker)) as StoredAppended[]
    expect(stored!.lease).toBeUndefined()
    expect(await store.ids(await store.join())).toEqual(['a'])
  })
})

describe('idempotency keys', () => {
  const keyed = (id: string, key = 'k') => newEvent(id, { idempotencyKey: key })

  it('R-DUR-8, C-21, C-35 store one event of many with one key, also within one append', async () => {
    const store = new Store()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.events.append([keyed(`a${index}`), keyed(`b${index}`)], undefined),
      ),
    )
    expect(answers.flat().filter(({ status }) => status === 'stored')).toHaveLength(1)
    expect(answers.flat().slice(1)).toEqual(Array.from({ length: 99 }, () => ({ status: 'duplicate', id: 'a0' })))
  })

  it('C-37 make duplicates of those events only that have them', async () => {
    const store = new Store()
    await store.append(keyed('a'))
    const answers = await store.events.append([newEvent('b'), keyed('c'), keyed('d', 'other')], undefined)
    expect(answers.map(({ status }) => status)).toEqual(['stored', 'duplicate', 'stored'])
  })

  it('R-DUR-8 are kept for the retention after the event was handled', async () => {
    const store = new Store({ idempotencyRetentionMs: 1_000 })
    const worker = await store.join()
    await store.append(keyed('a'))
    const { lease } = await store.claimOne(worker)
    expect(await store.append(keyed('b'))).toEqual([{ status: 'duplicate', id: 'a' }])
    await store.complete(lease)
    store.clock.advance(999)
    await store.events.sweep()
    expect(await store.append(keyed('b'))).toEqual([{ status: 'duplicate', id: 'a' }])
    store.clock.advance(1)
    expect((await store.append(keyed('b')))[0]!.status).toBe('stored')
  })

  it('C-40 are kept as long as there is a dead letter', async () => {
    const store = new Store({ idempotencyRetentionMs: 1_000 })
    const worker = await store.join()
    await store.append(keyed('a'))
    const { lease } = await store.claimOne(worker)
    await store.events.report([{ kind: 'dead', lease, reason: 'failed', progress: {} }])
    store.clock.advance(5_000)
    await store.events.sweep()
    expect(await store.append(keyed('b'))).toEqual([{ status: 'duplicate', id: 'a' }])
    const letters = await store.letters()
    await store.persistence.deadLetters!.discard(letters.map(({ key }) => key))
    await store.events.sweep()
    expect((await store.append(keyed('b')))[0]!.status).toBe('stored')
  })

  it('are freed when the event is cancelled', async () => {
    const store = new Store()
    const [stored] = await store.append(keyed('a'))
    await store.events.cancel(stored!.key)
    expect((await store.append(keyed('b')))[0]!.status).toBe('stored')
  })
})
