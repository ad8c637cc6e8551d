import type { Appended } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual, present } from '../expect.ts'
import { event, events, HANDLED } from '../sketches.ts'

const KEEP = { start: undefined }
const START = { start: ['ship', 'bill'] }

/** Events that stay with the worker that appends them. */
export const keepingChecks: readonly Check[] = [
  {
    id: 'K-01',
    title: 'leases an event to the worker that appends it, in the same commit',
    rules: ['R-DUR-2', 'R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      const kept = await store.appendBy(worker, event('a', { keep: KEEP }), event('b', { keep: START }), event('c'))
      expectEqual(
        'which are leased',
        kept.map(({ lease }) => lease !== undefined),
        [true, true, false],
      )
      expectEqual(
        'which are started',
        kept.map(({ started }) => started),
        [false, true, false],
      )
      expectEqual('what another worker claims', await store.claimIds(other), ['c'])
      await store.complete(...kept.flatMap(({ lease }) => lease ?? []))
      await store.killWorkers()
      expectEqual('what is left', await store.claimIds(await store.join()), ['c'])
    },
  },
  {
    id: 'K-02',
    title: 'counts a start that came with the append, and records its handlers',
    rules: ['R-DUR-3', 'R-DUR-13'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.appendBy(await store.join(), event('a', { keep: START }), event('b', { keep: KEEP }))
      await store.killWorkers()
      const claimed = (await store.claim(await store.join())).events
      expectEqual(
        'what is known of them',
        claimed.map(({ message, unreported, interruptions, handlers }) => [
          message.id,
          unreported,
          interruptions,
          handlers,
        ]),
        [
          ['a', 1, 1, ['ship', 'bill']],
          ['b', 0, 0, undefined],
        ],
      )
    },
  },
  {
    id: 'K-03',
    title: 'keeps no event that is not due, and stores it all the same',
    rules: ['R-DUR-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const kept = await store.appendBy(
        worker,
        event('later', { keep: START, due: { delayMs: 60_000 } }),
        event('past', { keep: KEEP, due: { at: 1_000 } }),
      )
      expectEqual(
        'which are leased',
        kept.map(({ lease }) => lease !== undefined),
        [false, true],
      )
      expectEqual('whether the later one is started', kept[0]?.started, false)
      await store.passTime(60_000)
      await store.ready()
      expectEqual('what is claimed when it is due', await store.claimIds(worker), ['later'])
    },
  },
  {
    id: 'K-04',
    title: 'keeps an event of a lane that is idle or its own, and starts only the first',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      const kept = await store.appendBy(worker, ...events(3, 'x', () => ({ lane: 'x', keep: START })))
      expectEqual(
        'which are leased',
        kept.map(({ lease }) => lease !== undefined),
        [true, true, true],
      )
      expectEqual(
        'which are started',
        kept.map(({ started }) => started),
        [true, false, false],
      )
      const next = await store.appendBy(worker, event('next', { lane: 'x', keep: START }))
      expectEqual(
        'the next one',
        next.map(({ lease, started }) => [lease !== undefined, started]),
        [[true, false]],
      )
      const [foreign] = await store.appendBy(other, event('foreign', { lane: 'x', keep: START }))
      expectEqual('one of another worker', [foreign?.lease, foreign?.started], [undefined, false])
      expectEqual('what the other worker claims', await store.claimIds(other), [])
      await store.complete(...[...kept, ...next].flatMap(({ lease }) => lease ?? []))
      expectEqual('what it claims when the lane is free', await store.claimIds(other), ['foreign'])
    },
  },
  {
    id: 'K-05',
    title: 'keeps no event of a lane in which another waits before it',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      await store.append(event('waits', { lane: 'x' }))
      const [late] = await store.appendBy(worker, event('late', { lane: 'x', keep: START }))
      expectEqual('whether it is leased', late?.lease, undefined)
      expectEqual('what another worker claims', await store.claimIds(other), ['waits', 'late'])
    },
  },
  {
    id: 'K-06',
    title: 'keeps no event of a lane that waits for a retry',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('retried', { lane: 'x' }))
      const { lease } = await store.claimOne(worker)
      await store.settle({ kind: 'retry', lease, progress: {}, delayMs: 60_000 })
      const [late] = await store.appendBy(worker, event('late', { lane: 'x', keep: START }))
      expectEqual('whether it is leased', late?.lease, undefined)
      expectEqual('what is claimed', await store.claimIds(worker), [])
      await store.passTime(60_000)
      await store.ready()
      expectEqual('what is claimed when the retry is due', await store.claimIds(worker), ['retried', 'late'])
    },
  },
  {
    id: 'K-07',
    title: 'stores what a dead worker appends, and gives it nothing',
    rules: ['R-DUR-3', 'R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const dead = await store.join()
      await store.killWorkers()
      const appended = await store.appendBy(
        dead,
        event('a', { keep: START }),
        event('b', { lane: 'x', keep: KEEP }),
        event('c', { mine: true }),
      )
      expectEqual(
        'the leases',
        appended.map(({ lease }) => lease),
        [undefined, undefined, undefined],
      )
      const { events: none, exhausted } = await store.claim(dead)
      expectEqual('what the dead worker claims', { none, exhausted }, { none: [], exhausted: true })
      expectEqual('what a live one claims', await store.claimIds(await store.join()), ['a', 'b', 'c'])
    },
  },
  {
    id: 'K-08',
    title: 'gives an event that is meant for its publisher to that alone, while it lives',
    rules: ['R-DUR-17'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [worker, other] = [await store.join(), await store.join()]
      await store.appendBy(worker, event('mine', { mine: true }), event('anybody'))
      expectEqual('what another worker claims', await store.claimIds(other), ['anybody'])
      const { lease } = await store.claimOne(worker)
      await store.settle({ kind: 'release', lease })
      expectEqual('what another worker claims after a release', await store.claimIds(other), [])
      await store.killWorkers({ butOf: [other] })
      expectEqual('what it claims after the death of the publisher', await store.claimIds(other), ['mine'])
    },
  },
  {
    id: 'K-09',
    title: 'keeps no orphan: what a worker appends or claims while it is ended goes to others',
    rules: ['R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(3)
      const [first = store, second = store, third = store] = instances
      for (let round = 0; round < 20; round += 1) {
        const worker = await store.join()
        await store.append(event(`claimed${round}`), event(`lane${round}`, { lane: 'x' }))
        await Promise.all([
          first.claim(worker, { types: HANDLED }),
          second.appendBy(
            worker,
            event(`kept${round}`, { keep: KEEP, orderOffsetMs: 1_000 }),
            event(`mine${round}`, { mine: true, orderOffsetMs: 2_000 }),
          ),
          third.events.leave(worker),
        ])
        await store.events.sweep()
        await store.ready()
        const heir = await store.claim(await store.join())
        const ids = heir.events.map(({ message }) => message.id)
        expectEqual('what another worker claims', ids.toSorted(), [
          `claimed${round}`,
          `kept${round}`,
          `lane${round}`,
          `mine${round}`,
        ])
        await store.complete(...heir.events.map(({ lease }) => lease))
      }
    },
  },
  {
    id: 'K-10',
    title: 'keeps nothing for a duplicate',
    rules: ['R-DUR-8'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      const both = [event('a', { idempotencyKey: 'k', keep: START }), event('b', { idempotencyKey: 'k', keep: START })]
      const answers: readonly Appended[] = await store.events.append(both, worker)
      expectEqual(
        'the answers',
        answers.map(({ status }) => status),
        ['stored', 'duplicate'],
      )
      const [first] = answers
      const lease = present('the lease of the first', first?.status === 'stored' ? first.lease : undefined)
      await store.complete(lease)
    },
  },
]
