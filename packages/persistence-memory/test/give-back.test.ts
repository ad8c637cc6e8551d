import { describe, expect, it } from 'vitest'
import { newEvent, Store } from './support/store.ts'

describe('workers', () => {
  it('C-14 have ids of their own, whatever their names', async () => {
    const store = new Store()
    expect(await store.join('same')).not.toBe(await store.join('same'))
  })

  it('C-06 keep their leases while they are heard of', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    for (let beat = 0; beat < 100; beat++) {
      store.clock.advance(5_000)
      expect(await store.events.heartbeat(worker)).toBe('ok')
      expect((await store.events.sweep()).deadWorkers).toBe(0)
    }
    expect(await store.complete(lease)).toBe('ok')
  })

  it('may come back late, as long as nobody has swept them', async () => {
    const store = new Store()
    const worker = await store.join()
    store.clock.advance(60_000)
    expect(await store.events.heartbeat(worker)).toBe('ok')
    await store.events.sweep()
    expect(await store.events.heartbeat(worker)).toBe('ok')
  })

  it('C-07 are found dead by the first sweep after their lease, and what they held is given back', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a'), newEvent('b'))
    await store.claim(one)
    store.clock.advance(5_000)
    await store.events.heartbeat(two)
    expect(await store.events.sweep()).toMatchObject({ deadWorkers: 0, rescued: 0 })
    store.clock.advance(1)
    expect(await store.persistence.inspect.counts()).toMatchObject({ stuck: 2, workers: 1 })
    expect(await store.events.sweep()).toMatchObject({ deadWorkers: 1, rescued: 2 })
    expect(await store.events.heartbeat(one)).toBe('lost')
    expect(await store.ids(two)).toEqual(['a', 'b'])
  })

  it('C-08 do not lose what was completed in time', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a'))
    const { lease } = await store.claimOne(worker)
    store.clock.advance(10_000)
    expect(await store.complete(lease)).toBe('ok')
    expect((await store.events.sweep()).rescued).toBe(0)
  })

  it('C-09, C-10 hide no other dead worker, however many events they held', async () => {
    const store = new Store()
    const [alive, dead] = [await store.join(), await store.join()]
    await store.append(...Array.from({ length: 5_000 }, (_, index) => newEvent(`e${index}`)))
    await store.claim(alive, { limit: 3_000 })
    await store.claim(dead, { limit: 3_000 })
    store.clock.advance(5_001)
    await store.events.heartbeat(alive)
    expect((await store.events.sweep()).rescued).toBe(2_000)
  })
})

describe('what a dead worker held', () => {
  it('R-DUR-3 counts as interrupted and goes first if it had been started, else it is as it was', async () => {
    const store = new Store()
    const worker = await store.join()
    await store.append(newEvent('a', { lane: 'x' }), newEvent('b', { lane: 'x' }))
    const [, claimed] = (await store.claim(worker, { start: 1 })).events
    await store.crash(worker)
    await store.append(newEvent('urgent', { lane: 'x', orderOffsetMs: -60_000 }))
    const [a, urgent, b] = (await store.claim(await store.join())).events
    expect(a).toMatchObject({ message: { id: 'a' }, interruptions: 1, unreported: 1, orderKey: -Infinity })
    expect(urgent!.message.id).toBe('urgent')
    expect(b).toMatchObject({ message: { id: 'b' }, interruptions: 0, unreported: 0, orderKey: claimed!.orderKey })
  })

  it('C-62, R-DUR-11 goes to the dead letters if it must not run twice and had been started', async () => {
    const store = new Store()
    const worker = await store.join('desk')
    await store.append(newEvent('a', { onCrash: 'fail' }), newEvent('b', { onCrash: 'fail' }))
    await store.claim(worker, { start: 1 })
    await store.crash(worker)
    expect(await store.letters()).toMatchObject([{ message: { id: 'a' }, reason: 'interrupted', worker }])
    expect(await store.ids(await store.join())).toEqual(['b'])
  })

  it('C-12, R-DUR-3 goes to the dead letters after ten starts without a report', async () => {
    const store = new Store()
    await store.append(newEvent('a'))
    for (let start = 0; start < 10; start++) {
      expect(await store.letters()).toEqual([])
      expect((await store.claimOne(await store.join(), { start: 1 })).unreported).toBe(start)
      await store.crash()
    }
    expect(await store.letters()).toMatchObject([{ reason: 'attempts-exhausted-without-report' }])
    expect(await store.persistence.inspect.counts()).toMatchObject({ ready: 0, running: 0, deadLetters: 1 })
  })

  it('C-12 counts anew after a report of progress', async () => {
    const store = new Store()
    await store.append(newEvent('a'))
    for (let start = 0; start < 9; start++) {
      await store.claimOne(await store.join(), { start: 1 })
      await store.crash()
    }
    const { lease, unreported, interruptions } = await store.claimOne(await store.join(), { start: 1 })
    expect([unreported, interruptions]).toEqual([9, 9])
    await store.events.report([{ kind: 'progress', lease, progress: { ship: { status: 'trying', attempts: 10 } } }])
    await store.crash()
    expect(await store.claimOne(await store.join())).toMatchObject({ unreported: 0, interruptions: 1 })
  })

  it('C-11 is not counted if it was claimed ahead only', async () => {
    const store = new Store()
    await store.append(newEvent('a'))
    for (let claim = 0; claim < 20; claim++) {
      await store.claimOne(await store.join())
      await store.crash()
    }
    expect(await store.claimOne(await store.join())).toMatchObject({ unreported: 0, interruptions: 0 })
  })
})

describe('leave', () => {
  it('gives back what the worker holds at once, and says how much', async () => {
    const store = new Store()
    const [one, two] = [await store.join(), await store.join()]
    await store.append(newEvent('a'), newEvent('b', { lane: 'x' }), newEvent('c', { onCrash: 'fail' }))
    await store.claim(one, { start: 1 })
    expect(await store.events.leave(one)).toBe(3)
    expect(await store.events.leave(one)).toBe(0)
    expect((await store.claim(two)).events).toMatchObject([{ interruptions: 1 }, { interruptions: 0 }, {}])
    expect(await store.events.heartbeat(one)).toBe('lost')
  })
})
