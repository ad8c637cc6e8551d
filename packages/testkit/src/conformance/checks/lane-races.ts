import type { Lease } from '@buslane/core'
import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, HANDLED, idOf } from '../sketches.ts'
import { idsOf, type Subject } from '../subject.ts'

const LANES = 12
const PER_LANE = 25

/** What happened to the events of one lane, as somebody beside the store saw it. */
interface Entry {
  readonly id: string
  readonly what: 'begun' | 'ended'
}

/** The same while everybody works at once. */
export const laneRaceChecks: readonly Check[] = [
  {
    id: 'L-12',
    title: 'keeps each lane in order, one event at a time, while 8 workers claim and complete at once',
    rules: ['R-LANE-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.appendMany(events(LANES * PER_LANE, 'e', (index) => ({ lane: `l${index % LANES}` })))
      const instances = await store.instances(4)
      const log = new Map<string, Entry[]>()
      const done = await Promise.all(
        Array.from({ length: 8 }, (_, index) => work(instances[index % instances.length] ?? store, log)),
      )
      expectEqual('how many were handled', sum(done), LANES * PER_LANE)
      for (let lane = 0; lane < LANES; lane += 1)
        expectEqual(`the log of lane ${lane}`, log.get(`l${lane}`), wantedLog(lane))
    },
  },
  {
    id: 'L-13',
    title: 'keeps the order of one publisher in a lane while others publish and workers claim',
    rules: ['R-LANE-3', 'R-DUR-2'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(4)
      const log = new Map<string, Entry[]>()
      const publishers = instances.map(async (instance, publisher) => {
        for (let index = 0; index < PER_LANE; index += 1)
          await instance.append(...events(1, `p${publisher}.${index}`, () => ({ lane: 'shared' })))
        return 0
      })
      let published = false
      const workers = instances.map((instance) => work(instance, log, () => published))
      await Promise.all(publishers)
      published = true
      expectEqual('how many were handled', sum(await Promise.all(workers)), publishers.length * PER_LANE)
      const begun = (log.get('shared') ?? []).filter(({ what }) => what === 'begun').map(({ id }) => id)
      for (let publisher = 0; publisher < publishers.length; publisher += 1) {
        const own = begun.filter((id) => id.startsWith(`p${publisher}.`))
        const wanted = Array.from({ length: PER_LANE }, (_, index) => idOf(`p${publisher}.${index}`, 0))
        expectEqual(`the order of publisher ${publisher}`, own, wanted)
      }
    },
  },
  {
    id: 'L-14',
    title: 'never has a lane at two workers while releases, retries and rescues go on',
    rules: ['R-LANE-3', 'R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(3)
      await store.append(...events(9, 'e', (index) => ({ lane: `l${index % 3}` })))
      for (let round = 0; round < 15; round += 1) {
        const workers = await Promise.all(instances.map((instance) => instance.join()))
        const claims = await Promise.all(
          instances.map((instance, index) =>
            instance.claim(workers[index] ?? '', { limit: 4, laneLimit: 2, start: round % 2 }),
          ),
        )
        const holders = new Map<string, Set<number>>()
        for (const [index, { events: held }] of claims.entries())
          for (const { lane = '' } of held) holders.set(lane, (holders.get(lane) ?? new Set()).add(index))
        expectEqual(
          'how many workers hold each lane',
          [...holders.values()].map(({ size }) => size),
          [...holders].map(() => 1),
        )
        const leases = claims.flatMap(({ events: held }) => held.map(({ lease }) => lease))
        const [first, ...others] = leases
        await Promise.all([
          store.events.report(first === undefined ? [] : [{ kind: 'retry', lease: first, progress: {}, delayMs: 0 }]),
          store.events.report(others.slice(0, 2).map((lease) => ({ kind: 'release', lease }))),
          ...workers.map((worker, index) => instances[index]?.events.leave(worker)),
        ])
        await store.ready()
      }
      const rest = (await store.claim(await store.join())).events
      expectEqual(
        'what is left',
        idsOf(rest).toSorted(),
        Array.from({ length: 9 }, (_, index) => idOf('e', index)),
      )
    },
  },
  {
    id: 'L-15',
    title: 'keeps a lane at one worker, in order, while workers keep what they append to it',
    rules: ['R-LANE-3', 'R-DUR-2'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const instances = await store.instances(4)
      const log = new Map<string, Entry[]>()
      const publishing = instances.map(async (instance, publisher) => {
        const worker = await instance.join()
        for (let index = 0; index < PER_LANE; index += 1) {
          const id = idOf(`p${publisher}`, index)
          const [kept] = await instance.appendBy(worker, event(id, { lane: 'shared', keep: { start: ['ship'] } }))
          if (kept?.lease !== undefined) await handle(instance, log, { lane: 'shared', id, lease: kept.lease })
        }
        await instance.events.leave(worker)
      })
      let published = false
      const workers = instances.map((instance) => work(instance, log, () => published))
      await Promise.all(publishing)
      published = true
      await Promise.all(workers)
      const entries = log.get('shared') ?? []
      const begun = entries.filter(({ what }) => what === 'begun').map(({ id }) => id)
      const alternating = begun.flatMap((id) => [
        { id, what: 'begun' },
        { id, what: 'ended' },
      ])
      expectEqual('the log: one at a time', entries, alternating)
      for (const publisher of instances.keys()) {
        const own = begun.filter((id) => id.startsWith(`p${publisher}-`))
        const wanted = Array.from({ length: PER_LANE }, (_, index) => idOf(`p${publisher}`, index))
        expectEqual(`the order of publisher ${publisher}`, own, wanted)
      }
    },
  },
]

/** Claims and completes until nothing is left, and writes down what it does. How many events it handled. */
async function work(store: Subject, log: Map<string, Entry[]>, ended: () => boolean = () => true): Promise<number> {
  const worker = await store.join()
  let handled = 0
  for (let idle = 0; idle < 3;) {
    const last = ended()
    const claimed = (await store.claim(worker, { types: HANDLED, limit: 6, laneLimit: 3 })).events
    for (const { lane = '', message, lease } of claimed) {
      await handle(store, log, { lane, id: message.id, lease })
    }
    handled += claimed.length
    idle = claimed.length === 0 && last ? idle + 1 : 0
    await nextTurn()
  }
  return handled
}

/** What a worker does with one event: its handler takes a turn of the event loop. */
async function handle(
  store: Subject,
  log: Map<string, Entry[]>,
  { lane, id, lease }: { readonly lane: string; readonly id: string; readonly lease: Lease },
): Promise<void> {
  const entries = log.get(lane) ?? []
  log.set(lane, entries)
  entries.push({ id, what: 'begun' })
  await nextTurn()
  entries.push({ id, what: 'ended' })
  await store.complete(lease)
}

function wantedLog(lane: number): Entry[] {
  return Array.from({ length: PER_LANE }, (_, index) => idOf('e', index * LANES + lane)).flatMap((id) => [
    { id, what: 'begun' },
    { id, what: 'ended' },
  ])
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** Lets other tasks of the event loop go first; a store in memory never would by itself. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
