import { setTimeout as sleep } from 'node:timers/promises'
import type { Figure, Result, Scale, Setting } from '../harness/section.ts'
import { quantile } from '../harness/statistics.ts'
import { buslane, buslaneFar } from './queues/buslane.ts'
import type { DurableQueue, OpenQueue } from './queue.ts'
import { peersOf, serversOf } from './sides.ts'

interface Rate {
  readonly perSecond: number
  readonly seconds: Readonly<Record<Scale, number>>
  readonly quantiles: readonly (readonly [name: string, at: number, goalMs?: number])[]
}

const SLOW: Rate = {
  perSecond: 10,
  seconds: { quick: 1, normal: 5, full: 20 },
  quantiles: [
    ['p50', 0.5, 5],
    ['p99', 0.99, 30],
  ],
}

const FAST: Rate = {
  perSecond: 1000,
  seconds: { quick: 0.3, normal: 2, full: 10 },
  quantiles: [
    ['p50', 0.5],
    ['p99', 0.99],
    ['p99.9', 0.999],
  ],
}

/** How long what is under way at the end may take. */
const GRACE_MS = 10_000

/**
 * Milliseconds from before the publish to the handler. Publishes are made when they are due, however long others take: a queue that stalls
 * makes all of them late.
 */
const timesOf = async (open: OpenQueue, perSecond: number, seconds: number): Promise<readonly number[]> => {
  const count = Math.round(perSecond * seconds)
  const warmUps = Math.ceil(count / 10)
  const sentAt: number[] = []
  const times: number[] = []
  let handled = 0
  const handling = await open.startHandling((n) => {
    handled++
    if (n >= warmUps) times.push(performance.now() - sentAt[n]!)
  })
  const startedAt = performance.now()
  const publishes: Promise<unknown>[] = []
  for (let n = 0; n < count; n++) {
    const dueAt = startedAt + (n * 1000) / perSecond
    if (dueAt > performance.now()) await sleep(dueAt - performance.now())
    sentAt[n] = performance.now()
    publishes.push(open.publish(n))
  }
  await Promise.all(publishes)
  for (const until = performance.now() + GRACE_MS; handled < count && performance.now() < until;) await sleep(10)
  await handling.stop()
  if (handled < count) throw new Error(`${handled} of ${count} messages were handled`)
  return times
}

const figuresOf = (
  queue: DurableQueue,
  { perSecond, quantiles }: Rate,
  rounds: readonly (readonly number[])[],
): Figure[] =>
  quantiles.map(([name, at, goalMs]) => ({
    kind: 'figure',
    contest: `publish to handler, ${perSecond.toLocaleString('en')} a second, ${name}`,
    of: queue.name,
    unit: 'ms',
    values: rounds.map((times) => quantile(times, at)),
    goal: queue === buslane || queue === buslaneFar ? goalMs : undefined,
    caveat: queue.caveat,
  }))

const measureAt = async (
  rate: Rate,
  queue: DurableQueue,
  setting: Setting,
  rounds: number,
): Promise<readonly Figure[]> => {
  const open = await queue.open(serversOf(setting))
  const found: (readonly number[])[] = []
  for (let round = 0; round < rounds; round++) {
    found.push(await timesOf(open, rate.perSecond, rate.seconds[setting.scale]))
  }
  await open.close()
  return figuresOf(queue, rate, found)
}

/** Ten a second is next to nothing, so all sides run at once; at a thousand each has the machine to itself. */
export const latency = async (setting: Setting): Promise<readonly Result[]> => {
  const rounds = Math.min(setting.rounds, 2)
  const queues = [buslane, buslaneFar, ...peersOf(serversOf(setting))]
  const slow = await Promise.all(queues.map((queue) => measureAt(SLOW, queue, setting, rounds)))
  const fast: (readonly Figure[])[] = []
  for (const queue of queues) fast.push(await measureAt(FAST, queue, setting, rounds))
  // The same quantile of all sides in a row.
  const byQuantile = (figures: readonly (readonly Figure[])[], { quantiles }: Rate): Figure[] =>
    quantiles.flatMap((_, index) => figures.map((of) => of[index]!))
  return [...byQuantile(slow, SLOW), ...byQuantile(fast, FAST)]
}
