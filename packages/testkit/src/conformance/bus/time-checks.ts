import type { Bus } from '@buslane/core'
import { expectEqual, expectTrue } from '../expect.ts'
import { type Bench, Placed } from './bench.ts'
import type { BusCheck } from './check.ts'
import { retrying } from './retrying.ts'

const HOUR_MS = 3_600_000

const wrongBy = (hours: number): BusCheck => ({
  rules: ['C-29', 'R-DUR-4'],
  title: `neither runs early, nor loses a lease, nor stands still in a process whose clock is wrong by ${hours} h and is put right`,
  run: async (bench) => {
    const { log } = bench
    const clock = bench.processClock()
    clock.aheadMs = hours * HOUR_MS
    const slow = Promise.withResolvers<void>()
    const bus = await bench.started({ clock }, (bus) =>
      bus.on(Placed, ({ payload }) => log.push(`ran ${payload.n}`) && (payload.n === 1 ? slow.promise : undefined), {
        name: 'a',
      }),
    )
    await bench.started({}, (bus) => bus.on(Placed, ({ payload }) => log.push(`stole ${payload.n}`), { name: 'a' }))
    await bench.within(bus.publish(Placed({ n: 1 }, { sessionId: 'slow' })))
    await bench.clock.advance(100)
    clock.aheadMs = 0
    await bench.clock.advance(60_000)
    expectEqual('what ran during the lease', log, ['ran 1'])
    clock.aheadMs = hours * HOUR_MS
    await bench.within(bus.schedule(Placed({ n: 2 }), { delayMs: 10_000 }))
    const due = bench.clock.monotonic() + 10_000
    await bench.clock.advance(due - bench.clock.monotonic() - 1)
    expectEqual('what ran before it is due', log, ['ran 1'])
    await bench.clock.advance(2000)
    expectEqual('how many ran', log.length, 2)
    slow.resolve()
    await bench.clock.advance(1000)
    expectEqual('what is stored', await bench.stored(), 0)
  },
})

const steppedDuring = (delayMs: number): BusCheck => ({
  rules: ['C-31', 'R-SCH-2'],
  title: `waits ${delayMs} ms before a retry although the wall clock of the process steps by hours meanwhile`,
  run: async (bench) => {
    const clock = bench.processClock()
    const runs: number[] = []
    const bus = await bench.started({ clock, plugins: [retrying(delayMs, 2)] }, (bus) =>
      bus.on(
        Placed,
        () => {
          runs.push(clock.monotonic())
          throw new Error('not yet')
        },
        { name: 'a' },
      ),
    )
    await bench.within(bus.publish(Placed({ n: 1 })))
    await bench.clock.advance(0)
    const [first = 0] = runs
    clock.aheadMs = -2 * HOUR_MS
    await bench.clock.advance(delayMs / 2)
    clock.aheadMs = 2 * HOUR_MS
    await bench.clock.advance(first + delayMs - 1 - clock.monotonic())
    expectEqual('how often it ran before the delay is over', runs.length, 1)
    await bench.clock.advance(1500)
    expectEqual('how often it ran', runs.length, 2)
  },
})

/** How often the store is asked for anything in a minute, with so many events that are due in a year. */
async function callsWith(bench: Bench, count: number): Promise<number> {
  const link = bench.link()
  const bus = await bench.started({ persistence: link.persistence }, (bus) =>
    bus.on(Placed, () => undefined, { name: 'a' }),
  )
  for (let done = 0; done < count; done += 1000) {
    const events = Array.from({ length: Math.min(1000, count - done) }, (_, n) => Placed({ n }))
    await bench.within(Promise.all(events.map((event) => bus.schedule(event, { delayMs: 365 * 24 * HOUR_MS }))))
  }
  await bench.clock.advance(10_000)
  link.calls.clear()
  await bench.clock.advance(60_000)
  const calls = [...link.calls.values()].reduce((sum, number) => sum + number, 0)
  await bench.within(bus.stop(), 20_000)
  return calls
}

/** Clocks, polling, and what waits for later. */
export const timeChecks: readonly BusCheck[] = [
  wrongBy(2),
  wrongBy(-2),
  steppedDuring(500),
  steppedDuring(5000),
  {
    rules: ['C-31', 'R-SCH-2'],
    title: 'times a stored event out after its timeoutMs although the wall clock of the process steps meanwhile',
    run: async (bench) => {
      const clock = bench.processClock()
      const bus = await bench.started({ clock }, (bus) =>
        bus.on(Placed, () => new Promise(() => undefined), { name: 'a' }),
      )
      let status: string | undefined
      void bus
        .publishAndWait(Placed({ n: 1 }), { timeoutMs: 10_000 })
        .then(({ handlers }) => (status = handlers[0]?.status))
      await bench.clock.advance(100)
      clock.aheadMs = 2 * HOUR_MS
      await bench.clock.advance(9000)
      expectEqual('the status before the time is over', status, undefined)
      clock.aheadMs = -2 * HOUR_MS
      await bench.clock.advance(2000)
      expectEqual('the status', status, 'timed-out')
    },
  },
  {
    rules: ['C-26'],
    title: 'asks the store as often with 10,000 future events as with one',
    run: async (bench) => {
      const withOne = await callsWith(bench, 1)
      const withMany = await callsWith(bench, 10_000)
      expectEqual('the calls in ten minutes', withMany, withOne)
    },
  },
  {
    rules: ['C-27', 'R-PUB-4'],
    title: 'lets neither publish nor idle wait for what is stored for later',
    run: async (bench) => {
      const bus = await bench.started({}, (bus) =>
        bus.on(Placed, ({ payload }) => bench.log.push(`ran ${payload.n}`), { name: 'a' }),
      )
      await bench.within(bus.schedule(Placed({ n: 1 }), { delayMs: HOUR_MS }))
      const publishedAt = bench.clock.monotonic()
      await bench.within(bus.publish(Placed({ n: 2 })), 0)
      await bench.within(bus.idle(), 0)
      expectEqual('how much time that took', bench.clock.monotonic() - publishedAt, 0)
      expectEqual('what ran', bench.log, ['ran 2'])
    },
  },
  {
    rules: ['C-28', 'R-Q-3'],
    title: 'drops no stored event for want of room, whether it is due, retried or new',
    run: async (bench) => {
      const { log } = bench
      let failing = true
      const handlers = (bus: Bus): void => {
        bus.on(
          Placed,
          ({ payload }) => {
            log.push(`ran ${payload.n}`)
            if (payload.n === 0 && failing) throw new Error('not yet')
          },
          { name: 'a' },
        )
      }
      const queue = { capacity: 1, strategy: 'drop-oldest' } as const
      const bus = await bench.started({ queue, plugins: [retrying(5000, 2)] }, handlers)
      await bench.within(bus.schedule(Placed({ n: 1 }), { delayMs: 1000 }))
      await bench.within(bus.publish(Placed({ n: 0 }, { sessionId: 'retried' })))
      await bench.clock.advance(100)
      failing = false
      const rest = Array.from({ length: 50 }, (_, n) => bus.publish(Placed({ n: n + 2 }, { sessionId: 'many' })))
      await bench.within(Promise.all(rest))
      await bench.clock.advance(20_000)
      expectEqual('how many ran', log.length, 53)
      expectEqual('the dropped', bus.stats().dropped, 0)
    },
  },
  {
    rules: ['C-68', 'R-DUR-10'],
    title: 'finds everything by looking when no hint arrives: new, due and cancelled events',
    run: async (bench) => {
      const { log } = bench
      const { persistence } = bench.link({ hints: false })
      await bench.started({ persistence }, (bus) =>
        bus.on(Placed, ({ payload }) => log.push(`ran ${payload.n}`), { name: 'a' }),
      )
      const publisher = bench.bus({ persistence: bench.link({ hints: false }).persistence })
      await bench.within(publisher.publish(Placed({ n: 1 })))
      await bench.within(publisher.schedule(Placed({ n: 2 }), { delayMs: 30_000 }))
      const cancelled = await bench.within(publisher.schedule(Placed({ n: 3 }), { delayMs: 20_000 }))
      expectEqual('the answer to cancel', await bench.within(cancelled.cancel()), 'cancelled')
      await bench.clock.advance(5000)
      expectTrue('the new one ran soon', log.includes('ran 1'))
      await bench.clock.advance(60_000)
      expectEqual('what ran', log, ['ran 1', 'ran 2'])
    },
  },
]
