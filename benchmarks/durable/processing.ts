import { rateOfAll, ratesInTurn } from '../harness/rates.ts'
import type { Duel, Result, Scale, Setting } from '../harness/section.ts'
import { freshPool } from './pool.ts'
import type { DurableQueue, OpenQueue } from './queue.ts'
import { buslane, buslaneInLanes } from './queues/buslane.ts'
import { type RawTable, rawTable } from './raw-table.ts'
import { closeAll, openAll, peersOf, serversOf } from './sides.ts'

const EVENTS: Readonly<Record<Scale, number>> = { quick: 300, normal: 20_000, full: 50_000 }
const PUBLISHERS = 1000
const LOAD = 5000
const RAW = 'bench_raw_processing'

/** Counts calls and says when all were made. */
const countdown = (count: number): { handle: () => void; readonly done: Promise<void> } => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = count
  return {
    handle: () => {
      if (--left === 0) resolve()
    },
    done: promise,
  }
}

const requireNoneLeft = async (open: OpenQueue): Promise<void> => {
  const left = await open.left()
  if (left !== 0) throw new Error(`${left} messages are left`)
}

/** Publishes all, handles and completes them: from the first publish to the last completion. */
export const publishAndHandle = async (open: OpenQueue, count: number): Promise<number> => {
  const { handle, done } = countdown(count)
  const handling = await open.startHandling(handle)
  const rate = await rateOfAll(count, async () => {
    let n = 0
    const publisher = async (): Promise<void> => {
      while (n < count) await open.publish(n++)
    }
    await Promise.all(Array.from({ length: Math.min(count, PUBLISHERS) }, publisher))
    await done
    await handling.stop()
  })
  await requireNoneLeft(open)
  return rate
}

/** Handles and completes what was stored before. */
const handleLoaded = async (open: OpenQueue, count: number): Promise<number> => {
  for (let from = 0; from < count; from += LOAD) await open.publishMany!(from, Math.min(LOAD, count - from))
  const { handle, done } = countdown(count)
  const rate = await rateOfAll(count, async () => {
    const handling = await open.startHandling(handle)
    await done
    await handling.stop()
  })
  await requireNoneLeft(open)
  return rate
}

/** Of the limits: what shares a commit, and how many are under way at once. */
const BATCH = 500
const FLIGHTS = 2
const LANES = 100

/** Inserts and deletes rows, as many with one statement as an idle database rewards. `steps`: of how many deletes each batch needs. */
const insertAndDelete = (table: RawTable, count: number, steps: number): Promise<number> =>
  rateOfAll(count, async () => {
    let n = 0
    const flight = async (): Promise<void> => {
      for (let from = n; from < count; from = n) {
        n = Math.min(count, from + BATCH)
        await table.insertAndDelete(from, n - from, steps)
      }
    }
    await Promise.all(Array.from({ length: FLIGHTS }, flight))
  })

/** What any store has to do for it at least. */
const LIMITS: Readonly<Record<string, { readonly name: string; readonly caveat: string; readonly steps: number }>> = {
  Buslane: {
    name: 'a raw unnest and a raw DELETE, 500 rows each',
    caveat: 'the limit: no publishers, no handlers, no order, no leases',
    steps: 1,
  },
  'Buslane, 100 named lanes': {
    name: 'a raw unnest of 500 rows, and a raw DELETE for the next of each lane',
    caveat:
      'the limit where an event waits for the commit of the one before in its lane: no lanes that others see, no handlers, no leases',
    steps: (BATCH * FLIGHTS) / LANES,
  },
}

const GOALS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  Buslane: { 'graphile-worker': 2.5 },
  'Buslane, 100 named lanes': { 'graphile-worker': 1.5 },
}

/** Ours publishes, handles and completes; the peers' jobs are loaded before, and only handled and completed. */
export const processing = async (setting: Setting): Promise<readonly Result[]> => {
  const { scale, rounds } = setting
  const servers = serversOf(setting)
  const count = EVENTS[scale]
  const own = await openAll([buslane, buslaneInLanes], servers)
  const peers = await openAll(peersOf(servers), servers)
  const pool = await freshPool(servers.databaseUrl)
  const raw = await rawTable((text, values) => pool.query(text, values), RAW)
  const found = await ratesInTurn(
    rounds,
    Object.fromEntries([
      ...own.map(({ queue, open }) => [queue.name, () => publishAndHandle(open, count)] as const),
      ...peers.map(({ queue, open }) => [queue.name, () => handleLoaded(open, count)] as const),
      ...Object.values(LIMITS).map(({ name, steps }) => [name, () => insertAndDelete(raw, count, steps)] as const),
    ]),
  )
  await closeAll([...own, ...peers])
  await pool.end()
  const duel = (us: DurableQueue, { name, caveat }: { readonly name: string; readonly caveat: string }): Duel => ({
    kind: 'duel',
    contest: us === buslane ? 'publish, handle and complete' : 'the same in order, over 100 named lanes',
    side: us.name,
    rival: name,
    caveat,
    unit: 'per second',
    ours: found[us.name]!,
    theirs: found[name]!,
    goal: GOALS[us.name]?.[name],
  })
  const peerOf = ({ name, caveat }: DurableQueue): { readonly name: string; readonly caveat: string } => ({
    name,
    caveat: `its jobs are stored before, and only handled and completed; ${caveat}`,
  })
  return own.flatMap(({ queue }) => [
    duel(queue, LIMITS[queue.name]!),
    ...peers.map((peer) => duel(queue, peerOf(peer.queue))),
  ])
}
