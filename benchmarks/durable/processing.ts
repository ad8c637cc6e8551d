import { rateOfAll, ratesInTurn } from '../harness/rates.ts'
import type { Duel, Result, Scale, Setting } from '../harness/section.ts'
import type { DurableQueue, OpenQueue } from './queue.ts'
import { buslane, buslaneInLanes } from './queues/buslane.ts'
import { closeAll, openAll, peersOf, serversOf } from './sides.ts'

const EVENTS: Readonly<Record<Scale, number>> = { quick: 300, normal: 20_000, full: 50_000 }
const PUBLISHERS = 1000
const LOAD = 5000

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
  const found = await ratesInTurn(
    rounds,
    Object.fromEntries([
      ...own.map(({ queue, open }) => [queue.name, () => publishAndHandle(open, count)] as const),
      ...peers.map(({ queue, open }) => [queue.name, () => handleLoaded(open, count)] as const),
    ]),
  )
  await closeAll([...own, ...peers])
  const duel = (us: DurableQueue, peer: DurableQueue): Duel => ({
    kind: 'duel',
    contest: us === buslane ? 'publish, handle and complete' : 'the same in order, over 100 named lanes',
    side: us.name,
    rival: peer.name,
    caveat: `its jobs are stored before, and only handled and completed; ${peer.caveat}`,
    unit: 'per second',
    ours: found[us.name]!,
    theirs: found[peer.name]!,
    goal: GOALS[us.name]?.[peer.name],
  })
  return own.flatMap((us) => peers.map((peer) => duel(us.queue, peer.queue)))
}
