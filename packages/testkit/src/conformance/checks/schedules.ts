import type { Check } from '../check.ts'
import { expectEqual } from '../expect.ts'
import { event, events, idOf } from '../sketches.ts'
import { idsOf } from '../subject.ts'

const HOUR_MS = 3_600_000
const YEAR_9999 = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
/** Nights on which clocks are set forward or back, within the hour that does not exist or exists twice. */
const CLOCK_CHANGES = [
  Date.UTC(2031, 2, 30, 1, 30, 0, 1),
  Date.UTC(2031, 9, 26, 0, 30, 0, 2),
  Date.UTC(2031, 9, 26, 1, 30, 0, 3),
  Date.UTC(2032, 2, 14, 7, 30, 0, 4),
]

/** What is due, when, and in which order. */
export const scheduleChecks: readonly Check[] = [
  {
    id: 'C-16',
    title: 'claims nothing before it is due, and all when it is',
    rules: ['R-SCH-1', 'R-DUR-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('delayed', { due: { delayMs: HOUR_MS } }))
      await store.passTime(HOUR_MS - store.slackMs - 1)
      await store.events.heartbeat(worker)
      const early = await store.ready()
      expectEqual('what is claimed before', await store.claimIds(worker), [])
      expectEqual('how many became ready', early.readied, 0)
      await store.passTime(store.slackMs + 1)
      await store.ready()
      expectEqual('what is claimed then', await store.claimIds(worker), ['delayed'])
    },
  },
  {
    id: 'C-16b',
    title: 'says in how many milliseconds the next event is due',
    rules: ['R-SCH-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      expectEqual('the answer when none is scheduled', (await store.ready()).nextDueInMs, undefined)
      await store.append(event('b', { due: { delayMs: 2 * HOUR_MS } }), event('a', { due: { delayMs: HOUR_MS } }))
      const { nextDueInMs = Number.NaN } = await store.ready()
      expectEqual(
        `whether ${nextDueInMs} ms is an hour`,
        nextDueInMs <= HOUR_MS && nextDueInMs >= HOUR_MS - store.slackMs,
        true,
      )
    },
  },
  {
    id: 'C-16c',
    title: 'keeps a retry and a deferred event back until they are due',
    rules: ['R-SCH-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const worker = await store.join()
      await store.append(event('retry'), event('defer'))
      const [first, second] = (await store.claim(worker)).events.map(({ lease }) => lease)
      const none = { key: '', token: '' }
      const progress = { ship: { status: 'trying', attempts: 1 } } as const
      await store.settle({ kind: 'retry', lease: first ?? none, progress, delayMs: 60_000 })
      await store.settle({ kind: 'defer', lease: second ?? none, delayMs: 60_000 })
      await store.passTime(60_000 - store.slackMs - 1)
      await store.ready()
      expectEqual('what is claimed before', await store.claimIds(worker), [])
      await store.passTime(store.slackMs + 1)
      await store.ready()
      const claimed = (await store.claim(worker)).events
      expectEqual('what is claimed then', idsOf(claimed), ['retry', 'defer'])
      expectEqual(
        'their progress',
        claimed.map((one) => one.progress),
        [progress, {}],
      )
      expectEqual(
        'which of them waits for a handler',
        claimed.map(({ deferredSince }) => deferredSince !== undefined),
        [false, true],
      )
    },
  },
  {
    id: 'C-17',
    title: 'takes a time that is past for now, and keeps any other to the millisecond',
    rules: ['R-SCH-1', 'R-DUR-4'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const times = [0, 1_000_000_000_123, ...CLOCK_CHANGES, YEAR_9999]
      const appended = await store.append(...times.map((at, index) => event(idOf('e', index), { due: { at } })))
      expectEqual(
        'the due times',
        appended.map(({ dueAt }) => dueAt),
        times,
      )
      expectEqual('what is claimed', await store.claimIds(await store.join()), ['e-0000', 'e-0001'])
    },
  },
  {
    id: 'C-17b',
    title: 'shows due times as they were given',
    rules: ['R-SCH-1', 'R-DUR-4'],
    needs: ['inspect'],
    async run({ open }) {
      const store = await open()
      const times = [...CLOCK_CHANGES, YEAR_9999]
      const appended = await store.append(...times.map((at, index) => event(idOf('e', index), { due: { at } })))
      const shown = await Promise.all(appended.map(({ key }) => store.inspect.get(key)))
      expectEqual(
        'the due times',
        shown.map((one) => one?.dueAt),
        times,
      )
      expectEqual(
        'the states',
        shown.map((one) => one?.state),
        times.map(() => 'scheduled'),
      )
    },
  },
  {
    id: 'C-16d',
    title: 'gives each due event to one worker, while four processes make them ready at once',
    rules: ['R-DUR-3', 'R-DUR-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const wanted = events(400, 'e', (index) => ({
        due: { delayMs: HOUR_MS },
        lane: index % 2 === 0 ? undefined : `l${index % 20}`,
      }))
      await store.appendMany(wanted)
      await store.passTime(HOUR_MS)
      const claims = await Promise.all(
        (await store.instances(4)).map(async (instance) => {
          const worker = await instance.join()
          await instance.ready()
          return await instance.claimAll(worker, { limit: 20 })
        }),
      )
      const ids = claims.flatMap(idsOf).toSorted()
      const all = wanted.map(({ message }) => message.id)
      expectEqual('the ids that were claimed', ids, all)
    },
  },
  {
    id: 'C-18',
    title: 'claims what has been due longest first, when more is due than one claim takes',
    rules: ['R-PRI-5', 'R-SCH-1'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const batch = Math.min(store.events.settings.batchSize, 100)
      const count = 10 * batch
      await store.appendMany(events(count, 'e', (index) => ({ due: { delayMs: HOUR_MS + (count - index) * 10_000 } })))
      const worker = await store.join()
      await store.passTime(HOUR_MS + count * 10_000)
      await store.events.heartbeat(worker)
      await store.ready()
      const claimed = idsOf(await store.claimAll(worker, { limit: batch }))
      expectEqual(
        'the order of the claims',
        claimed,
        Array.from({ length: count }, (_, index) => idOf('e', count - 1 - index)),
      )
    },
  },
  {
    id: 'C-18b',
    title: 'orders by order key: acceptance, or due time, and what the priority adds to it',
    rules: ['R-PRI-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const [low, high, first, second] = await store.append(
        event('low', { orderOffsetMs: 50_000 }),
        event('high', { orderOffsetMs: -40_000 }),
        event('first'),
        event('second'),
      )
      const acceptedAt = first?.acceptedAt ?? Number.NaN
      const keys = [low, high, first, second].map((one) => (one?.orderKey ?? Number.NaN) - acceptedAt)
      expectEqual('the order keys, from acceptance', keys, [50_000, -40_000, 0, 0])
      const claimed = (await store.claim(await store.join())).events
      expectEqual('what is claimed', idsOf(claimed), ['high', 'first', 'second', 'low'])
      expectEqual(
        'its order keys',
        claimed.map(({ orderKey }) => orderKey - acceptedAt),
        [-40_000, 0, 0, 50_000],
      )
    },
  },
  {
    id: 'C-18c',
    title: 'orders by priority alone where no offset is given',
    rules: ['R-PRI-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(
        ...[90, 10.5, 50, 10, 0, -3].map((priority) => event(`p${priority}`, { priority, orderOffsetMs: undefined })),
      )
      const claimed = (await store.claim(await store.join())).events
      expectEqual('what is claimed', idsOf(claimed), ['p-3', 'p0', 'p10', 'p10.5', 'p50', 'p90'])
      expectEqual(
        'its priorities',
        claimed.map(({ priority }) => priority),
        [-3, 0, 10, 10.5, 50, 90],
      )
      expectEqual(
        'its order keys',
        claimed.map(({ orderKey }) => orderKey),
        [-3, 0, 10, 10.5, 50, 90],
      )
    },
  },
  {
    id: 'C-18d',
    title: 'keeps the order of appends with one order key',
    rules: ['R-PRI-5'],
    needs: [],
    async run({ open }) {
      const store = await open()
      const wanted: string[] = []
      for (let round = 0; round < 12; round += 1) {
        const batch = events(9, `r${String(round).padStart(2, '0')}`, () => ({
          priority: 50,
          orderOffsetMs: undefined,
        }))
        wanted.push(...batch.map(({ message }) => message.id))
        await store.append(...batch)
      }
      expectEqual('what is claimed', idsOf(await store.claimAll(await store.join(), { limit: 10 })), wanted)
    },
  },
  {
    id: 'S-11',
    title: 'says of an event that was not started in time that it has expired, and of no other',
    rules: ['R-DUR-3'],
    needs: [],
    async run({ open }) {
      const store = await open()
      await store.append(event('started', { expiresInMs: 60_000 }))
      await store.claimOne(await store.join(), { start: 1 })
      await store.killWorkers()
      await store.append(
        event('short', { expiresInMs: 60_000 }),
        event('long', { expiresInMs: HOUR_MS }),
        event('never'),
      )
      await store.passTime(60_001)
      const claimed = (await store.claim(await store.join())).events
      expectEqual(
        'which have expired',
        claimed.map(({ message, expired }) => [message.id, expired]),
        [
          ['started', false],
          ['short', true],
          ['long', false],
          ['never', false],
        ],
      )
    },
  },
]
