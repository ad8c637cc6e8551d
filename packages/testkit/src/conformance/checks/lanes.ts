import type { Check } from '../check.ts'
import { expectEqual, present } from '../expect.ts'
import { event, events, idOf } from '../sketches.ts'
import { idsOf } from '../subject.ts'

/** Named lanes: one worker at a time, in order. */
export const laneChecks: readonly Check[] = [
  {
    id: 'L-01',
    title: 'gives no event of a lane to a second worker while one holds any of it',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [holder, other] = [await store.join(), await store.join()]
      await store.append(...events(3, 'x', () => ({ lane: 'x' })), event('y', { lane: 'y' }), event('free'))
      expectEqual('what the first worker claims', await store.claimIds(holder, { limit: 1 }), ['x-0000'])
      await store.append(event('late', { lane: 'x' }))
      expectEqual('what the other claims', await store.claimIds(other), ['y', 'free'])
      expectEqual('what the holder claims', await store.claimIds(holder), ['x-0001', 'x-0002', 'late'])
    },
  },
  {
    id: 'L-02',
    title: 'claims a lane in the order of its order keys, then of acceptance',
    rules: ['R-PRI-5', 'R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(
        event('c', { lane: 'x', orderOffsetMs: 10 }),
        event('a', { lane: 'x', orderOffsetMs: -50_000 }),
        event('d', { lane: 'x', orderOffsetMs: 10 }),
        event('b', { lane: 'x' }),
      )
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['a', 'b', 'c', 'd'])
    },
  },
  {
    id: 'L-02b',
    title: 'claims the lowest order key first, among lanes and events without one',
    rules: ['R-PRI-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(
        event('d', { lane: 'x', orderOffsetMs: 40 }),
        event('b', { lane: 'y', orderOffsetMs: 20 }),
        event('a', { orderOffsetMs: 10 }),
        event('c', { orderOffsetMs: 30 }),
      )
      const worker = await store.join()
      expectEqual('the first claim', await store.claimIds(worker, { limit: 2 }), ['a', 'b'])
      expectEqual('the second claim', await store.claimIds(worker, { limit: 2 }), ['c', 'd'])
    },
  },
  {
    id: 'L-03',
    title: 'lets a worker hold no more of a lane than its limit, what it held before included',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(...events(6, 'x', () => ({ lane: 'x' })), ...events(2, 'y', () => ({ lane: 'y' })))
      const first = (await store.claim(worker, { laneLimit: 3 })).events
      expectEqual('how many of each lane', [ofLane(first, 'x'), ofLane(first, 'y')], [3, 2])
      expectEqual('what comes on top', await store.claimIds(worker, { laneLimit: 4 }), ['x-0003'])
      const oldest = present(
        'the first of the lane',
        first.find(({ message }) => message.id === 'x-0000'),
      )
      await store.complete(oldest.lease)
      expectEqual('what comes after a completion', await store.claimIds(worker, { laneLimit: 4 }), ['x-0004'])
    },
  },
  {
    id: 'L-04',
    title: 'starts nothing of a lane while its first event waits for a retry, and that one first then',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      await store.append(...events(3, 'x', () => ({ lane: 'x' })), event('y', { lane: 'y' }))
      const { lease } = await store.claimOne(worker, { limit: 1, start: 1 })
      await store.settle({ kind: 'retry', lease, progress: {}, delayMs: 60_000 })
      await store.append(event('urgent', { lane: 'x', orderOffsetMs: -1_000_000 }))
      expectEqual('what the same worker claims', await store.claimIds(worker), ['y'])
      expectEqual('what another one claims', await store.claimIds(other), [])
      await store.passTime(60_000 - store.slackMs - 1)
      await store.ready()
      expectEqual('what is claimed before the retry is due', await store.claimIds(other), [])
      await store.passTime(store.slackMs + 1)
      await store.ready()
      const then = await store.claimIds(other)
      expectEqual('what is claimed when it is due', then, ['x-0000', 'urgent', 'x-0001', 'x-0002'])
    },
  },
  {
    id: 'L-05',
    title: 'frees a lane when its holder holds nothing of it any more, in order',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [first, second] = [await store.join(), await store.join()]
      await store.append(...events(4, 'x', () => ({ lane: 'x' })))
      const held = (await store.claim(first, { limit: 3 })).events
      const leases = held.map(({ lease }) => lease)
      await store.complete(...leases.slice(0, 1))
      expectEqual('what another claims while two are held', await store.claimIds(second), [])
      await store.events.report(leases.slice(1).map((lease) => ({ kind: 'release', lease })))
      expectEqual('what another claims then', await store.claimIds(second), ['x-0001', 'x-0002', 'x-0003'])
    },
  },
  {
    id: 'L-06',
    title: 'puts an event that was begun before all others of its lane',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('a', { lane: 'x' }), event('b', { lane: 'x' }))
      const { lease } = await store.claimOne(worker, { limit: 1, start: 1 })
      await store.append(event('urgent', { lane: 'x', orderOffsetMs: -1_000_000 }))
      await store.settle({ kind: 'release', lease, progress: { ship: { status: 'done', attempts: 1 } } })
      const claimed = (await store.claim(worker)).events
      expectEqual('what is claimed', idsOf(claimed), ['a', 'urgent', 'b'])
      expectEqual('whether it is shown as the first', claimed[0]?.orderKey, Number.NEGATIVE_INFINITY)
    },
  },
  {
    id: 'L-06b',
    title: 'takes one that was released without progress for one that was never claimed',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const { orderKey } = await store.appendOne(event('a', { lane: 'x' }))
      const { lease } = await store.claimOne(worker, { start: 1 })
      await store.append(event('urgent', { lane: 'x', orderOffsetMs: -1_000_000 }))
      await store.settle({ kind: 'release', lease })
      const claimed = (await store.claim(worker)).events
      expectEqual('what is claimed', idsOf(claimed), ['urgent', 'a'])
      expectEqual('its order key', claimed[1]?.orderKey, orderKey)
    },
  },
  {
    id: 'L-09',
    title: 'says so when something has come that goes before what the worker still holds',
    rules: ['R-LANE-3', 'R-PRI-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(...events(4, 'x', () => ({ lane: 'x' })))
      const [first, second, third] = (await store.claim(worker, { limit: 3, start: 1 })).events
      const lease = { key: '', token: '' }
      const usual = await store.settle({ kind: 'complete', lease: first?.lease ?? lease })
      expectEqual('whether a later event overtakes', usual.overtaken ?? false, false)
      await store.append(event('urgent', { lane: 'x', orderOffsetMs: -1_000_000 }), event('y', { lane: 'y' }))
      const { overtaken } = await store.settle({ kind: 'complete', lease: second?.lease ?? lease })
      expectEqual('whether an earlier event overtakes', overtaken, true)
      await store.settle({ kind: 'release', lease: third?.lease ?? lease })
      const then = await store.claimIds(worker)
      expectEqual(
        'what is claimed then',
        then.filter((id) => id !== 'y'),
        ['urgent', 'x-0002', 'x-0003'],
      )
    },
  },
  {
    id: 'L-11',
    title: 'hands the lane of a dead worker on, in order, what was started first',
    rules: ['R-LANE-3', 'R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(...events(3, 'x', () => ({ lane: 'x' })))
      await store.claim(await store.join(), { start: 1 })
      await store.append(event('urgent', { lane: 'x', orderOffsetMs: -1_000_000 }))
      await store.outliveLeases()
      const heir = await store.join()
      expectEqual('what is claimed before anybody found it dead', await store.claimIds(heir), [])
      await store.events.sweep()
      expectEqual('what is claimed', await store.claimIds(heir), ['x-0000', 'urgent', 'x-0001', 'x-0002'])
    },
  },
  {
    id: 'L-16',
    title: 'finds a free lane behind more events of a busy one than a claim looks at',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [holder, other] = [await store.join(), await store.join()]
      await store.appendMany(events(1_500, 'busy', () => ({ lane: 'busy' })))
      await store.appendMany(events(30, 'lane', (index) => ({ lane: `l${index}`, orderOffsetMs: index })))
      expectEqual('what the holder claims', await store.claimIds(holder, { limit: 1 }), ['busy-0000'])
      const wanted = Array.from({ length: 30 }, (_, index) => idOf('lane', index))
      expectEqual('what the other claims', idsOf(await store.claimAll(other, { limit: 20 })), wanted)
    },
  },
]

function ofLane(claimed: readonly { readonly lane: string | undefined }[], lane: string): number {
  return claimed.filter((one) => one.lane === lane).length
}
