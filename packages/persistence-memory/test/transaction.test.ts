import { describe, expect, it } from 'vitest'
import { memoryTransaction } from '../src/index.ts'
import { newEvent, Store } from './support/store.ts'

describe('an event in a transaction', () => {
  it('R-DUR-7 can be claimed after the commit, and not before', async () => {
    const store = new Store()
    const worker = await store.join()
    const transaction = memoryTransaction()
    const stored = await store.events.appendIn(transaction, newEvent('a'))
    expect(stored).toMatchObject({ status: 'stored', lease: undefined, started: false })
    expect(await store.ids(worker)).toEqual([])
    expect(await store.persistence.inspect.list()).toEqual({ entries: [], next: undefined })
    await transaction.commit()
    expect(await store.ids(worker)).toEqual(['a'])
  })

  it('R-DUR-7 leaves nothing when that is rolled back', async () => {
    const store = new Store({ eventLog: true })
    const transaction = memoryTransaction()
    await store.events.appendIn(transaction, newEvent('a', { idempotencyKey: 'k' }))
    await transaction.rollback()
    await transaction.rollback()
    expect(await store.ids(await store.join())).toEqual([])
    expect((await store.persistence.eventLog!.read()).entries).toEqual([])
    expect((await store.append(newEvent('b', { idempotencyKey: 'k' })))[0]!.status).toBe('stored')
  })

  it('R-LANE-3 holds up no lane before the commit, and takes its place by its order key after it', async () => {
    const store = new Store()
    const worker = await store.join()
    const transaction = memoryTransaction()
    await store.events.appendIn(transaction, newEvent('first', { lane: 'x' }))
    await store.append(newEvent('a', { lane: 'x' }))
    const { lease } = await store.claimOne(worker)
    await store.append(newEvent('b', { lane: 'x' }))
    await transaction.commit()
    await store.complete(lease)
    expect(await store.ids(worker)).toEqual(['first', 'b'])
  })

  it('C-71 of transactions that commit out of order none is missed, and none is there that was rolled back', async () => {
    const store = new Store()
    const worker = await store.join()
    const all = [memoryTransaction(), memoryTransaction(), memoryTransaction(), memoryTransaction()]
    for (const [index, transaction] of all.entries()) await store.events.appendIn(transaction, newEvent(`e${index}`))
    await all[2]!.commit()
    expect(await store.ids(worker)).toEqual(['e2'])
    await all[1]!.rollback()
    await all[3]!.commit()
    await all[0]!.commit()
    expect(await store.ids(worker)).toEqual(['e0', 'e3'])
    expect((await store.persistence.inspect.list()).entries.map(({ message }) => message.id)).toEqual([
      'e0',
      'e2',
      'e3',
    ])
  })

  it('becomes scheduled if it is due later', async () => {
    const store = new Store()
    const worker = await store.join()
    const transaction = memoryTransaction()
    await store.events.appendIn(transaction, newEvent('a', { due: { delayMs: 100 } }))
    store.clock.advance(50)
    await transaction.commit()
    expect(await store.ids(worker)).toEqual([])
    store.clock.advance(50)
    expect(await store.ids(worker)).toEqual(['a'])
  })

  it('R-DUR-8 keeps its idempotency key: others wait until they know whether it is used', async () => {
    const store = new Store()
    const keyed = (id: string) => newEvent(id, { idempotencyKey: 'k' })
    const [one, two] = [memoryTransaction(), memoryTransaction()]
    await store.events.appendIn(one, keyed('a'))
    expect(await store.events.appendIn(one, keyed('again'))).toEqual({ status: 'duplicate', id: 'a' })
    const waiting = [store.events.appendIn(two, keyed('b')), store.append(keyed('c'))] as const
    await one.rollback()
    expect((await waiting[0]).status).toBe('stored')
    await two.commit()
    expect(await waiting[1]).toEqual([{ status: 'duplicate', id: 'b' }])
  })

  it('is lost if the store is restored before the commit', async () => {
    const store = new Store()
    const transaction = memoryTransaction()
    await store.events.appendIn(transaction, newEvent('a'))
    store.persistence.restore(store.persistence.snapshot())
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
    expect(await store.ids(await store.join())).toEqual([])
  })
})

describe('a completion in a transaction', () => {
  it('R-DUR-15 is committed together with the work', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker, { start: 1 })
    const transaction = memoryTransaction()
    let balance = 0
    transaction.onCommit(() => (balance += 10))
    expect(await store.events.completeIn(transaction, lease, 'ship', 2)).toBe('ok')
    expect((await store.persistence.inspect.get(lease.key))!.progress).toEqual({})
    await transaction.commit()
    expect(balance).toBe(10)
    expect(await store.persistence.inspect.get(lease.key)).toMatchObject({
      progress: { ship: { status: 'done', attempts: 2 } },
      unreported: 0,
    })
  })

  it('C-38 is rolled back with the work', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    const transaction = memoryTransaction()
    await store.events.completeIn(transaction, lease, 'ship', 1)
    await transaction.rollback()
    expect((await store.persistence.inspect.get(lease.key))!.progress).toEqual({})
  })

  it('R-DUR-15 answers lost when the lease is lost already', async () => {
    const store = new Store()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(await store.join())
    await store.crash()
    expect(await store.events.completeIn(memoryTransaction(), lease, 'ship', 1)).toBe('lost')
  })

  it('R-DUR-15 makes the commit fail, work and all, when the lease was lost meanwhile', async () => {
    const store = new Store()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(await store.join())
    const transaction = memoryTransaction()
    let balance = 0
    transaction.onCommit(() => (balance += 10))
    await store.events.appendIn(transaction, newEvent('b', { idempotencyKey: 'k' }))
    await store.events.completeIn(transaction, lease, 'ship', 1)
    await store.crash()
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'LEASE_LOST', retryable: false })
    expect([balance, transaction.isOpen]).toEqual([0, false])
    expect(await store.claimOne(await store.join())).toMatchObject({ message: { id: 'a' }, progress: {} })
    expect((await store.append(newEvent('c', { idempotencyKey: 'k' })))[0]!.status).toBe('stored')
  })
})

describe('a transaction', () => {
  it('that has ended refuses everything but a rollback', async () => {
    const store = new Store()
    const transaction = memoryTransaction()
    await transaction.commit()
    const refused = { code: 'INVALID_ARGUMENT' }
    await expect(transaction.commit()).rejects.toMatchObject(refused)
    await expect(store.events.appendIn(transaction, newEvent('a', { idempotencyKey: 'k' }))).rejects.toMatchObject(
      refused,
    )
    await transaction.rollback()
    expect((await store.append(newEvent('b', { idempotencyKey: 'k' })))[0]!.status).toBe('stored')
  })

  it('must be made by memoryTransaction', async () => {
    const store = new Store()
    const refused = { code: 'INVALID_ARGUMENT', retryable: false }
    await expect(store.events.appendIn({}, newEvent('a'))).rejects.toMatchObject(refused)
    const nowhere = { key: '1', token: 'x' }
    await expect(store.events.completeIn(undefined, nowhere, 'ship', 1)).rejects.toMatchObject(refused)
  })
})
