import { type Bus, createBus, defineEvent } from '@buslane/core'
import type { Contender } from '../harness/rounds.ts'

/** How the cost of one event depends on something that grows. */
export interface Growth {
  readonly name: string
  /** What grows: the horizontal axis. */
  readonly axis: string
  readonly caveat: string
  /** The cost at the largest size may be so many times that at the smallest. */
  readonly goal?: number | undefined
  readonly sizes: readonly number[]
  /** What one operation of the answer's `run` is, is what is plotted. */
  prepare(size: number): Promise<Contender>
}

const Ticked = defineEvent<{ n: number }>('bench.ticked')
const BURST = 1000
const SIZES = [10, 100, 1000, 10_000, 100_000] as const

/** Publishes by the thousand and waits until they are handled. */
const draining = (bus: Bus, publish: (n: number) => unknown, size = BURST): Contender => ({
  // Everything that there are many of is met at least once.
  step: Math.max(size, BURST),
  run: async (count) => {
    const before = bus.stats().settled
    for (let n = 0; n < count;) {
      for (const end = Math.min(count, n + BURST); n < end; n++) void publish(n)
      await bus.idle()
    }
    const settled = bus.stats().settled - before
    if (settled < count) throw new Error(`${settled} of ${count} events were handled`)
  },
  close: async () => void (await bus.stop()),
})

const otherTypes: Growth = {
  name: 'handlers of other types',
  axis: 'handlers',
  caveat: 'per event with one handler; a type each for the others',
  goal: 1.5,
  sizes: SIZES,
  prepare: async (size) => {
    const bus = createBus()
    for (let n = 0; n < size; n++) bus.on(defineEvent<{ n: number }>(`bench.other-${n}`), () => undefined)
    bus.on(Ticked, async () => undefined)
    await bus.start()
    return draining(bus, (n) => bus.publish(Ticked({ n })), size)
  },
}

const sameType: Growth = {
  name: 'handlers of one event',
  axis: 'handlers',
  caveat: 'per handler call',
  goal: 1.5,
  sizes: SIZES,
  prepare: async (size) => {
    const bus = createBus()
    let calls = 0
    for (let n = 0; n < size; n++) bus.on(Ticked, async () => void calls++, { priority: n % 100 })
    await bus.start()
    return {
      step: Math.max(size, BURST), // whole events
      run: async (count) => {
        const before = calls
        while (calls - before < count) await bus.publishAndWait(Ticked({ n: 0 }))
      },
      close: async () => void (await bus.stop()),
    }
  },
}

const lanes: Growth = {
  name: 'lanes in turn',
  axis: 'lanes',
  caveat: 'per event with one handler; each event goes to the lane after that of the last',
  goal: 2,
  sizes: SIZES,
  prepare: async (size) => {
    const bus = createBus({ lane: ({ payload }) => String((payload as { n: number }).n % size) })
    bus.on(Ticked, async () => undefined)
    await bus.start()
    return draining(bus, (n) => bus.publish(Ticked({ n })), size)
  },
}

const sessions: Growth = {
  name: 'open sessions',
  axis: 'sessions',
  caveat: 'per event with one handler, published to the sessions in turn',
  goal: 2,
  sizes: SIZES,
  prepare: async (size) => {
    const bus = createBus()
    bus.on(Ticked, async () => undefined)
    await bus.start()
    const open = Array.from({ length: size }, (_, n) => bus.session(`session-${n}`))
    await bus.idle()
    return draining(bus, (n) => open[n % size]!.publish(Ticked({ n })), size)
  },
}

/** No bus: what reading and writing a few objects of each session costs at least. */
const plainSessions: Growth = {
  name: 'sessions in a Map, no bus',
  axis: 'sessions',
  caveat:
    'the limit of open sessions: per async call, after one look-up and a push to the queue of the session that is next',
  sizes: SIZES,
  prepare: async (size) => {
    const ids = Array.from({ length: size }, (_, n) => `session-${n}`)
    const open = new Map(
      ids.map((id) => [id, { id, queue: [] as { n: number }[], handlers: new Map([['a', []]]), seen: 0 }]),
    )
    const handle = async (n: number): Promise<void> => {
      const session = open.get(ids[n % size]!)!
      session.queue.push({ n })
      session.seen += session.handlers.size
      await Promise.resolve()
      session.queue.shift()
    }
    return {
      step: Math.max(size, BURST),
      run: async (count) => {
        for (let from = 0; from < count; from += BURST) {
          await Promise.all(Array.from({ length: Math.min(BURST, count - from) }, (_, n) => handle(from + n)))
        }
      },
    }
  },
}

const queueLength: Growth = {
  name: 'waiting events',
  axis: 'events in the queue',
  caveat: 'per event with one handler; so many are published before the first is handled',
  goal: 2,
  sizes: [10, 100, 1000, 10_000, 100_000],
  prepare: async (size) => {
    const bus = createBus({ queue: { capacity: size + 1 } })
    bus.on(Ticked, async () => undefined)
    await bus.start()
    return {
      step: Math.max(size, BURST),
      run: async (count) => {
        for (let n = 0; n < count; n += size) {
          for (let waiting = 0; waiting < size; waiting++) void bus.publish(Ticked({ n }))
          await bus.idle()
        }
      },
      close: async () => void (await bus.stop()),
    }
  },
}

const schedules: Growth = {
  name: 'schedules that wait',
  axis: 'schedules',
  caveat: 'per event with one handler, beside schedules of which none is due',
  goal: 1.5,
  sizes: SIZES,
  prepare: async (size) => {
    const bus = createBus()
    bus.on(Ticked, async () => undefined)
    await bus.start()
    for (let n = 0; n < size; n++) void bus.schedule(Ticked({ n }), { delayMs: 3_600_000 + n })
    await bus.idle()
    return draining(bus, (n) => bus.publish(Ticked({ n })), size)
  },
}

const history: Growth = {
  name: 'kept errors',
  axis: 'errors in the history',
  caveat: 'per event whose handler fails; the history is full',
  goal: 2,
  sizes: SIZES,
  prepare: async (size) => {
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const bus = createBus({ errorHistoryLimit: size, logger })
    const failure = new Error('on purpose')
    bus.on(Ticked, () => {
      throw failure
    })
    await bus.start()
    const side = draining(bus, (n) => bus.publish(Ticked({ n })), size)
    await side.run(Math.max(1000, size))
    return side
  },
}

export const growths: readonly Growth[] = [
  otherTypes,
  sameType,
  lanes,
  sessions,
  plainSessions,
  queueLength,
  schedules,
  history,
]
