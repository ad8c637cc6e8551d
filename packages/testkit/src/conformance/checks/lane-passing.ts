import type { EventSketch } from '../sketches.ts'
import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, failure, HANDLED } from '../sketches.ts'

const X: EventSketch = { lane: 'x' }
const STRANGE: EventSketch = { lane: 'x', type: 'order.strange' }
const STRANGE_TYPE = { type: 'order.strange', version: 1, handlers: ['ship'] }

const MOST_CLAIMS = 500

/** What a lane waits for, and what it passes by. */
export const lanePassingChecks: readonly Check[] = [
  {
    id: 'L-07',
    title: 'lets a lane go on without an event that is not due',
    rules: ['R-LANE-3', 'R-DUR-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('later', { ...X, due: { delayMs: 3_600_000 } }), event('a', X))
      const worker = await store.join()
      const { lease } = await store.claimOne(worker)
      await store.complete(lease)
      await store.append(event('b', X))
      expectEqual('what is claimed before it is due', await store.claimIds(await store.join()), ['b'])
    },
  },
  {
    id: 'L-07b',
    title: 'lets a lane go on without an event that nobody here can read, handle, or finish',
    rules: ['R-LANE-3', 'R-DUR-9', 'R-DUR-13'],
    needs: ['dead-letters'],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('undecodable', X), event('deferred', X), event('dead', X), event('a', X))
      const [first, second, third] = (await store.claim(worker, { limit: 3 })).events.map(({ lease }) => lease)
      const none = { key: '', token: '' }
      await store.settle({ kind: 'undecodable', lease: first ?? none, error: failure('not JSON') })
      await store.settle({ kind: 'defer', lease: second ?? none, delayMs: 60_000 })
      await store.settle({ kind: 'dead', lease: third ?? none, reason: 'failed', progress: {} })
      expectEqual('what another worker claims', await store.claimIds(await store.join()), ['a'])
    },
  },
  {
    id: 'L-07c',
    title: 'lets a lane go on without an event of a type that the worker does not handle',
    rules: ['R-LANE-3', 'R-DUR-9'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('strange', STRANGE), event('a', X), event('b', X))
      const worker = await store.join()
      expectEqual('what is claimed', await store.claimIds(worker), ['a', 'b'])
    },
  },
  {
    id: 'L-07d',
    title: 'gives an event of an unknown type to a worker that handles it, when its lane is free',
    rules: ['R-DUR-9', 'R-DUR-13'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('strange', STRANGE), event('a', X))
      const [worker, other] = [await store.join(), await store.join()]
      const { lease } = await store.claimOne(worker)
      const types = [...HANDLED, STRANGE_TYPE]
      await store.ready(types)
      expectEqual('what is claimed while the lane is held', await store.claimIds(other, { types }), [])
      await store.complete(lease)
      expectEqual('what is claimed when it is free', await store.claimIds(other, { types }), ['strange'])
    },
  },
  {
    id: 'L-08',
    title: 'makes a lane wait for an event of a paused type, and no other lane',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(
        event('paused', STRANGE),
        event('a', X),
        event('b', { lane: 'y' }),
        event('free', { type: 'order.strange' }),
      )
      const worker = await store.join()
      const paused = [...HANDLED, { ...STRANGE_TYPE, paused: true }]
      expectEqual('what is claimed', await store.claimIds(worker, { types: paused }), ['b'])
      const open_ = [...HANDLED, STRANGE_TYPE]
      expectEqual('what is claimed after the pause', await store.claimIds(worker, { types: open_ }), [
        'paused',
        'a',
        'free',
      ])
    },
  },
  {
    id: 'L-08b',
    title: 'claims what comes before a paused event in its lane',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a', X), event('paused', STRANGE), event('b', X))
      const types = [...HANDLED, { ...STRANGE_TYPE, paused: true }]
      expectEqual('what is claimed', await store.claimIds(await store.join(), { types }), ['a'])
    },
  },
  {
    id: 'L-17',
    title: 'finds an event behind thousands that the worker does not handle, or that are paused',
    rules: ['R-DUR-9'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.appendMany(events(1_100, 'strange', () => ({ type: 'order.strange' })))
      await store.appendMany(events(1_100, 'paused', (index) => ({ type: 'order.paused', lane: `p${index % 400}` })))
      await store.append(event('a'), event('b', X))
      const types = [...HANDLED, { type: 'order.paused', version: 1, handlers: ['ship'], paused: true }]
      const worker = await store.join()
      const ids: string[] = []
      let exhausted = false
      for (let claim = 0; claim < MOST_CLAIMS && !exhausted; claim += 1) {
        const claimed = await store.claim(worker, { types, limit: 10 })
        ids.push(...claimed.events.map(({ message }) => message.id))
        exhausted = claimed.exhausted
      }
      expectEqual(`whether ${MOST_CLAIMS} claims see all there is`, exhausted, true)
      // A claim that sets strange ones aside may come to one behind them later than to the head of a lane.
      expectEqual('what is claimed until the store says that nothing is left', ids.toSorted(), ['a', 'b'])
    },
  },
  {
    id: 'L-18',
    title: 'lets a scheduled event join its lane at its due time, in the order of its key',
    rules: ['R-DUR-1', 'R-PRI-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('first', { ...X, due: { delayMs: 30_000 } }))
      await store.append(event('second', { ...X, orderOffsetMs: 40_000 }), event('zeroth', X))
      await store.passTime(30_000)
      await store.ready()
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['zeroth', 'first', 'second'])
    },
  },
  {
    id: 'L-19',
    title: 'takes a cancelled event out of its lane',
    rules: ['R-LANE-3', 'R-SCH-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [first] = await store.append(event('a', X), event('b', X))
      expectEqual('the answer', await store.events.cancel(first?.key ?? ''), 'cancelled')
      const worker = await store.join()
      const { lease } = await store.claimOne(worker)
      await store.complete(lease)
      await store.append(event('c', X))
      expectEqual('what another claims', await store.claimIds(await store.join()), ['c'])
    },
  },
  {
    id: 'L-20',
    title: 'frees the lane when what it waited to retry is cancelled',
    rules: ['R-LANE-3', 'R-SCH-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('a', X), event('b', X))
      const { lease } = await store.claimOne(await store.join(), { limit: 1 })
      await store.settle({ kind: 'retry', lease, progress: {}, delayMs: 3_600_000 })
      expectEqual('the answer', await store.events.cancel(lease.key), 'cancelled')
      await store.ready()
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['b'])
    },
  },
]
