import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, HANDLED } from '../sketches.ts'
import { idsOf } from '../subject.ts'

const MANY = 2_000
const WORKERS = 16

/** Who gets an event, and that nobody else does. */
export const claimingChecks: readonly Check[] = [
  {
    id: 'C-01',
    title: 'gives each of 2,000 events to exactly one of 16 workers that claim at once',
    rules: ['R-DUR-3', 'R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const wanted = events(MANY, 'e')
      await store.appendMany(wanted)
      const instances = await store.instances(4)
      const workers = await Promise.all(Array.from({ length: WORKERS }, () => store.join()))
      const claims = await Promise.all(
        workers.map((worker, index) => (instances[index % instances.length] ?? store).claimAll(worker, { limit: 25 })),
      )
      const ids = claims.flatMap(idsOf).toSorted()
      expectEqual(
        'the ids that were claimed',
        ids,
        wanted.map(({ message }) => message.id),
      )
    },
  },
  {
    id: 'C-02',
    title: 'gives a claimed event to nobody else until it is given back',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [holder, other] = [await store.join(), await store.join()]
      await store.append(event('a'))
      const { lease } = await store.claimOne(holder)
      expectEqual('what another worker claims', await store.claimIds(other), [])
      expectEqual('what the holder claims', await store.claimIds(holder), [])
      await store.settle({ kind: 'release', lease })
      expectEqual('what another worker claims after the release', await store.claimIds(other), ['a'])
    },
  },
  {
    id: 'C-03',
    title: 'never claims more than the limit, and says whether something is left',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(...events(6, 'lane', (index) => ({ lane: `l${index % 3}` })), ...events(6, 'free'))
      const sizes: number[] = []
      for (const limit of [1, 2, 3]) sizes.push((await store.claim(worker, { limit })).events.length)
      expectEqual('the sizes of the claims', sizes, [1, 2, 3])
      const cut = await store.claim(worker, { limit: 2 })
      expectEqual('whether a claim that the limit cut short is exhausted', cut.exhausted, false)
      const rest = await store.claim(worker, { limit: 100 })
      expectEqual('the size of the last claim', rest.events.length, 4)
      expectEqual('whether the last claim is exhausted', rest.exhausted, true)
    },
  },
  {
    id: 'C-03b',
    title: 'claims the types and versions that were asked for, exactly',
    rules: ['R-DUR-9', 'R-DUR-13'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(
        event('v2', { version: 2 }),
        event('prefix', { type: 'order' }),
        event('case', { type: 'Order.placed' }),
        event('a'),
      )
      expectEqual('what is claimed', await store.claimIds(worker), ['a'])
      const types = [
        { type: 'order.placed', version: 2, handlers: ['ship'] },
        { type: 'order', version: 1, handlers: ['ship'] },
      ]
      await store.ready(types)
      expectEqual('what is claimed by one that knows the others', await store.claimIds(worker, { types }), [
        'v2',
        'prefix',
      ])
    },
  },
  {
    id: 'C-03c',
    title: 'keeps serial events from using up a claim',
    rules: ['R-LANE-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(...events(20, 'serial', () => ({ serial: true })))
      await store.append(event('lane', { lane: 'l' }), event('free'))
      const { events: first } = await store.claim(worker, { limit: 5, serialLimit: 2 })
      expectEqual('what a claim with room for two serial events gives', idsOf(first), [
        'serial-0000',
        'serial-0001',
        'lane',
        'free',
      ])
      expectEqual(
        'which of them are serial',
        first.map(({ serial }) => serial),
        [true, true, false, false],
      )
    },
  },
  {
    id: 'C-13',
    title: 'gives a released event to anybody at once, with no attempt used up',
    rules: ['R-DUR-12'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [first, second] = [await store.join(), await store.join()]
      await store.append(event('a'), event('b'))
      const claimed = (await store.claim(first, { start: 1 })).events
      expectEqual(
        'which of them are started',
        claimed.map(({ started }) => started),
        [true, false],
      )
      await store.events.report(claimed.map(({ lease }) => ({ kind: 'release', lease })))
      const again = (await store.claim(second)).events
      expectEqual('what the other worker claims', idsOf(again), ['a', 'b'])
      expectEqual(
        'what was counted',
        again.map(({ unreported, interruptions, progress }) => ({ unreported, interruptions, progress })),
        [
          { unreported: 0, interruptions: 0, progress: {} },
          { unreported: 0, interruptions: 0, progress: {} },
        ],
      )
    },
  },
  {
    id: 'C-13b',
    title: 'takes back all that a worker holds when it leaves, and says how many events that were',
    rules: ['R-DUR-12'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [leaver, stayer] = [await store.join(), await store.join()]
      await store.append(...events(3, 'e'), ...events(3, 'lane', () => ({ lane: 'l' })))
      const all = idsOf((await store.claim(leaver)).events)
      expectEqual('how many events were given back', await store.events.leave(leaver), 6)
      expectEqual('what another worker claims', await store.claimIds(stayer), all)
      expectEqual('how many are given back by one that has left', await store.events.leave(leaver), 0)
      expectEqual('what it claims', await store.claim(leaver).then(({ events: none }) => none), [])
      expectEqual('what a heartbeat answers', await store.events.heartbeat(leaver), 'lost')
    },
  },
  {
    id: 'C-02c',
    title: 'lets instances on the same data see each other at once',
    rules: ['R-DUR-5'],
    needs: ['connections'],
    async run({ open }) {
      const store = await open()
      const other = await store.connect()
      await store.append(event('a'))
      const { lease } = await other.claimOne(await other.join(), { types: HANDLED })
      expectEqual('what is left here', await store.claimIds(await store.join()), [])
      await store.complete(lease)
    },
  },
]
