import { createBus, defineEvent } from '@buslane/core'
import type { Result } from '../harness/section.ts'

const Due = defineEvent<{ n: number }>('bench.due')

/** What one side found with so many schedules. */
interface Found {
  readonly putInNs: number
  readonly fireNs: number
  readonly bytes: number
  /** Share of a processor while all wait and nothing is due. */
  readonly idle: number
}

type Measure = (count: number, idleMs: number) => Promise<Found>

const heap = (): number => {
  globalThis.gc!()
  globalThis.gc!()
  return process.memoryUsage().heapUsed
}

/** After a forced collection the collector goes on in the background, for 150 ms of processor time even if nothing is scheduled. */
const SWEPT_AFTER_MS = 2000

const idleShare = async (ms: number): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, SWEPT_AFTER_MS))
  const [before, startedAt] = [process.cpuUsage(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, ms))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (performance.now() - startedAt)
}

interface Side {
  /** Puts one in that is due in an hour. */
  putIn(n: number): unknown
  /** Puts one in that is due at once, and calls back. */
  fire(n: number): void
  fired(): Promise<void>
  clear(): void
}

const measureSide = async (side: Side, count: number, idleMs: number): Promise<Found> => {
  const events = Array.from({ length: count }, (_, n) => n)
  const empty = heap()
  const startedAt = performance.now()
  for (const n of events) void side.putIn(n)
  const putInNs = ((performance.now() - startedAt) / count) * 1e6
  await new Promise((resolve) => setTimeout(resolve, 300)) // the collector goes on in the background
  const bytes = (heap() - empty) / count
  const idle = await idleShare(idleMs)
  side.clear()
  return { putInNs, bytes, idle, fireNs: await fireAll(side, count) }
}

/** All are put in first, due at one time; what is measured begins then. */
const fireAll = async (side: Side, count: number): Promise<number> => {
  for (let n = 0; n < count; n++) side.fire(n)
  const startedAt = performance.now()
  await side.fired()
  return ((performance.now() - startedAt) / count) * 1e6
}

const HOUR_MS = 3_600_000

/** The events are made before, so what is counted is what a schedule keeps beyond them. */
const buslaneSchedules: Measure = async (count, idleMs) => {
  const bus = createBus({ queue: { capacity: count + 10 } })
  let handled = 0
  const done = Promise.withResolvers<void>()
  bus.on(Due, () => {
    if (++handled === count) done.resolve()
  })
  await bus.start()
  const events = Array.from({ length: count }, (_, n) => Due({ n }))
  const now = new Date()
  const side: Side = {
    // Spread over an hour, in no order.
    putIn: (n) => bus.schedule(events[n]!, { delayMs: HOUR_MS + ((n * 7919) % HOUR_MS) }),
    fire: (n) => void bus.schedule(events[n]!, { at: now }),
    fired: () => done.promise,
    clear: () => undefined,
  }
  const found = await measureSide(side, count, idleMs)
  await bus.stop()
  return found
}

const timeouts: Measure = async (count, idleMs) => {
  let fired = 0
  let timers: NodeJS.Timeout[] = []
  const done = Promise.withResolvers<void>()
  const side: Side = {
    putIn: (n) => timers.push(setTimeout(() => undefined, HOUR_MS + ((n * 7919) % HOUR_MS))),
    fire: () => {
      setTimeout(() => {
        if (++fired === count) done.resolve()
      }, 1)
    },
    fired: () => done.promise,
    clear: () => {
      for (const timer of timers) clearTimeout(timer)
      timers = []
    },
  }
  return measureSide(side, count, idleMs)
}

/** Ours beside timers of Node, each round in the same process. */
export const compareSchedules = async (count: number, rounds: number, idleMs: number): Promise<readonly Result[]> => {
  const [ours, theirs]: [Found[], Found[]] = [[], []]
  for (let round = 0; round <= rounds; round++) {
    const found = [await buslaneSchedules(count, idleMs), await timeouts(count, idleMs)] as const
    if (round === 0 && rounds > 1) continue // the engine is still compiling
    ours.push(found[0])
    theirs.push(found[1])
  }
  return resultsOf(`${count.toLocaleString('en')} schedules`, ours, theirs)
}

const resultsOf = (what: string, ours: readonly Found[], theirs: readonly Found[]): readonly Result[] => {
  const rival = 'setTimeout'
  const caveat = 'no event: nothing to cancel by id, no sessions, no order, no delays beyond 24.8 days'
  const of = (found: readonly Found[], field: keyof Found): number[] => found.map((each) => each[field])
  const duel = (contest: string, field: 'putInNs' | 'fireNs'): Result => ({
    kind: 'duel',
    contest: `${what}, ${contest}`,
    rival,
    caveat,
    unit: 'ns',
    ours: of(ours, field),
    theirs: of(theirs, field),
  })
  const figure = (
    contest: string,
    values: readonly number[],
    unit: 'ns' | 'bytes' | 'count',
    goal: number,
  ): Result => ({
    kind: 'figure',
    contest: `${what}, ${contest}`,
    of: 'Buslane',
    unit,
    values,
    goal,
  })
  return [
    duel('put in', 'putInNs'),
    duel('fire', 'fireNs'),
    figure('put in, each', of(ours, 'putInNs'), 'ns', 2000),
    figure('fire, each', of(ours, 'fireNs'), 'ns', 2000),
    figure('bytes each beyond the event', of(ours, 'bytes'), 'bytes', 200),
    { kind: 'figure', contest: `${what}, bytes each`, of: rival, unit: 'bytes', values: of(theirs, 'bytes') },
    figure('percent of a core while all wait', percent(of(ours, 'idle')), 'count', 1),
    {
      kind: 'figure',
      contest: `${what}, percent of a core while all wait`,
      of: rival,
      unit: 'count',
      values: percent(of(theirs, 'idle')),
    },
  ]
}

const percent = (shares: readonly number[]): number[] => shares.map((share) => Math.round(share * 10_000) / 100)
