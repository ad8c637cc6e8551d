import type { Appended, Bus, Claimed, NewEvent } from '@buslane/core'
import { expectEqual, expectTrue } from '../expect.ts'
import { PLAIN_EVENT } from '../sketches.ts'
import { Fleeting, Once, Placed } from './bench.ts'
import type { BusCheck } from './check.ts'
import { retrying } from './retrying.ts'

const afterRetry = (delayMs: number): BusCheck => ({
  rules: ['R-PRI-3', 'R-LANE-3', 'C-39'],
  title: `runs only what is not done after a retry of ${delayMs} ms, group by group, and its lane waits`,
  run: async (bench) => {
    const { log } = bench
    const bus = await bench.started({ plugins: [retrying(delayMs, 3)] }, (bus) => {
      bus.on(Placed, ({ payload }) => log.push(`first ${payload.n}`), { name: 'first', priority: 0 })
      const flaky = ({ payload }: { payload: { n: number } }, { attempt }: { attempt: number }): void => {
        log.push(`flaky ${payload.n} attempt ${attempt}`)
        JSON.parse(payload.n === 1 && attempt < 3 ? '{' : '1')
      }
      bus.on(Placed, flaky, { name: 'flaky', priority: 50 })
      bus.on(Placed, ({ payload }) => log.push(`last ${payload.n}`), { name: 'last', priority: 100 })
    })
    const published = [1, 2].map((n) => bus.publish(Placed({ n }, { sessionId: 'lane' })))
    await bench.within(Promise.all(published))
    await bench.clock.advance(4 * delayMs + 10_000)
    const one = ['first 1', 'flaky 1 attempt 1', 'flaky 1 attempt 2', 'flaky 1 attempt 3', 'last 1']
    expectEqual('what ran', log, [...one, 'first 2', 'flaky 2 attempt 1', 'last 2'])
  },
})

/** What the store leased before it knew that the lane waits is at this process after that. */
const leasedMeanwhile = (verb: 'append' | 'claim'): BusCheck => ({
  rules: ['R-LANE-3', 'R-PRI-3'],
  title: `begins nothing that one \`${verb}\` leased while the event before it was handed back for a retry`,
  run: async (bench) => {
    const { log } = bench
    const link = bench.link()
    const failing = Promise.withResolvers<void>()
    const bus = await bench.started({ persistence: link.persistence, plugins: [retrying(5000, 3)] }, (bus) =>
      bus.on(
        Placed,
        async ({ payload: { n } }, { attempt }) => {
          log.push(`${n} attempt ${attempt}`)
          if (n === 1 && attempt === 1) await failing.promise
        },
        { name: 'a' },
      ),
    )
    const publish = (by: Bus, n: number): Promise<unknown> => by.publish(Placed({ n }, { sessionId: 'lane' }))
    // Fast, so that more than one event of the lane is held.
    const published = [publish(bus, 0)]
    await bench.clock.advance(0)
    published.push(publish(bus, 1))
    await bench.clock.advance(0)
    const held = link.holdAnswer(verb)
    published.push(publish(verb === 'append' ? bus : bench.bus(), 2))
    await bench.clock.advance(1000)
    expectTrue('the second is leased here', hasLease(await held.answer))
    failing.reject(new Error('not yet'))
    await bench.clock.advance(100)
    held.release()
    await bench.clock.advance(20_000)
    await Promise.all(published)
    expectEqual('what ran', log, ['0 attempt 1', '1 attempt 1', '1 attempt 2', '2 attempt 1'])
    expectEqual('what is stored', await bench.stored(), 0)
  },
})

const hasLease = (answer: unknown): boolean => {
  const events = (answer as Partial<Claimed>).events ?? (answer as readonly Appended[])
  return events.some((event) => 'lease' in event && event.lease !== undefined)
}

/** What handlers see of stored events. */
export const handlingChecks: readonly BusCheck[] = [
  {
    rules: ['R-DUR-17', 'R-LANE-3'],
    title:
      'answers who waits for an event that went back to the store with its lane, and frees what is behind one in memory',
    run: async (bench) => {
      const { log } = bench
      const failing = Promise.withResolvers<void>()
      const bus = await bench.started({ plugins: [retrying(5000, 3)] }, (bus) => {
        bus.on(Fleeting, ({ payload: { n } }) => log.push(`${n} in memory`), { name: 'b' })
        bus.on(
          Placed,
          async ({ payload: { n } }, { attempt }) => {
            log.push(`${n} attempt ${attempt}`)
            if (n === 1 && attempt === 1) await failing.promise
          },
          { name: 'a' },
        )
      })
      const inLane = { sessionId: 'lane' }
      const published = bus.publish(Placed({ n: 1 }, inLane))
      await bench.clock.advance(0)
      const inMemory = bus.publish(Fleeting({ n: 2 }, inLane))
      const awaited = bus.publishAndWait(Placed({ n: 3 }, inLane))
      await bench.clock.advance(0)
      failing.reject(new Error('not yet'))
      await bench.clock.advance(20_000)
      await Promise.all([published, inMemory])
      const { failed } = await bench.within(awaited, 0)
      expectEqual('how many failed', failed, 0)
      expectEqual('what ran', log, ['1 attempt 1', '2 in memory', '1 attempt 2', '3 attempt 1'])
    },
  },
  {
    rules: ['R-PUB-4'],
    title: 'is idle after something was stored of which nothing is to be done here now',
    run: async (bench) => {
      const bus = await bench.started({}, () => undefined)
      const scheduled = bus.schedule(Placed({ n: 1 }), { delayMs: 600_000 })
      await Promise.resolve()
      const idle = bus.idle()
      await bench.clock.advance(100)
      await bench.within(idle, 0)
      await scheduled
      expectEqual('what is stored', await bench.stored(), 1)
    },
  },
  leasedMeanwhile('append'),
  leasedMeanwhile('claim'),
  afterRetry(10),
  afterRetry(5000),
  {
    rules: ['R-DUR-14', 'C-39'],
    title: 'sends a failed event to the dead letters, and a replay runs only the failed handler',
    run: async (bench) => {
      const { log } = bench
      let broken = true
      const bus = await bench.started({}, (bus) => {
        bus.on(Placed, () => log.push('good'), { name: 'good' })
        bus.on(Placed, () => log.push(`bad ${JSON.parse(broken ? '{' : '1')}`), { name: 'bad' })
      })
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(100)
      expectEqual('the reasons', await bench.reasons(), ['failed'])
      broken = false
      const [letter] = (await bench.persistence.deadLetters!.list()).entries
      expectEqual('the replay', await bench.persistence.deadLetters!.replay(letter!.key), 'replayed')
      await bench.clock.advance(5000)
      expectEqual('what ran', log, ['good', 'bad 1'])
      expectEqual('what is stored', await bench.stored(), 0)
    },
  },
  {
    rules: ['R-DUR-5', 'R-DUR-6', 'C-05', 'C-60'],
    title: 'takes over from a bus that is not heard of, without what was done, and that bus aborts with LEASE_LOST',
    run: async (bench) => {
      const { log } = bench
      const link = bench.link()
      const first = await bench.started({ persistence: link.persistence }, (bus) => {
        bus.on(Placed, () => log.push('done'), { name: 'done', priority: 0 })
        bus.on(
          Placed,
          (_event, { signal }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => resolve(log.push(`aborted ${signal.reason.code}`)))
            }),
          { name: 'slow' },
        )
      })
      await bench.within(first.publish(Placed({ n: 1 }, { sessionId: 'lane' })))
      await bench.clock.advance(100)
      link.fault = 'hang'
      await bench.started({}, (bus) => {
        bus.on(Placed, () => log.push('done again'), { name: 'done', priority: 0 })
        bus.on(Placed, (_event, { attempt }) => log.push(`slow attempt ${attempt}`), { name: 'slow' })
      })
      await bench.clock.advance(10_000)
      expectEqual('what ran', log, ['done', 'slow attempt 2'])
      link.fault = undefined
      await bench.clock.advance(10_000)
      expectEqual('what ran', log, ['done', 'slow attempt 2', 'aborted LEASE_LOST'])
      expectEqual('the lost leases in its stats', first.stats().stored?.lost, 1)
    },
  },
  {
    rules: ['R-DUR-11', 'C-62'],
    title: "never runs an event of onCrash 'fail' again: it is interrupted",
    run: async (bench) => {
      const { log } = bench
      const link = bench.link()
      const first = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Once, () => new Promise(() => log.push('started')), { name: 'a' }),
      )
      await bench.within(first.publish(Once({ n: 1 })))
      await bench.clock.advance(100)
      link.fault = 'hang'
      await bench.started({}, (bus) => bus.on(Once, () => log.push('again'), { name: 'a' }))
      await bench.clock.advance(10_000)
      expectEqual('what ran', log, ['started'])
      expectEqual('the reasons', await bench.reasons(), ['interrupted'])
    },
  },
  {
    rules: ['R-PUB-3', 'R-DUR-17'],
    title: 'waits for a stored event inside a handler of the same lane',
    run: async (bench) => {
      const { log } = bench
      const bus = await bench.started({}, (bus) => {
        bus.on(
          Placed,
          async ({ payload }, context) => {
            log.push(`in ${payload.n}`)
            const inner = [Placed({ n: payload.n + 1 })].slice(0, payload.n < 3 ? 1 : 0)
            for (const event of inner) await context.publishAndWait(event)
            log.push(`out ${payload.n}`)
          },
          { name: 'a' },
        )
      })
      const outcome = await bench.within(bus.publishAndWait(Placed({ n: 1 }, { sessionId: 'lane' })))
      expectEqual('how many failed', outcome.failed, 0)
      expectEqual('what ran', log, ['in 1', 'in 2', 'in 3', 'out 3', 'out 2', 'out 1'])
      expectEqual('the code without a handler', await bench.codeOf(bus.publishAndWait(Once({ n: 1 }))), 'NO_HANDLER')
    },
  },
  {
    rules: ['R-DUR-12', 'R-STOP-2', 'C-77'],
    title: 'hands back what runs at stop without using up an attempt, and leaves no timer after 50 starts and stops',
    run: async (bench) => {
      const { log } = bench
      const bus = await bench.started({}, (bus) => {
        bus.on(Placed, (_event, { attempt }) => new Promise(() => log.push(`attempt ${attempt}`)), { name: 'a' })
      })
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(100)
      await bench.within(bus.stop({ timeoutMs: 0 }), 20_000)
      const before = bench.clock.pendingTimers
      for (let cycle = 0; cycle < 50; cycle++) {
        await bench.within(bus.start())
        await bench.within(bus.stop({ timeoutMs: 0 }), 20_000)
      }
      expectEqual('the attempts', [...new Set(log)], ['attempt 1'])
      expectEqual('the timers', bench.clock.pendingTimers, before)
      expectEqual('what is stored', await bench.stored(), 1)
    },
  },
  {
    rules: ['R-DUR-9', 'R-LANE-3'],
    title: 'keeps what cannot be read, which does not hold up its lane',
    run: async (bench) => {
      const { log, persistence } = bench
      const bus = bench.bus()
      bus.on(Placed, ({ payload }) => log.push(`ran ${payload.n}`), { name: 'a' })
      const message = (id: string, payload: string): NewEvent => ({
        message: { kind: 'event', id, type: Placed.type, version: 1, sessionId: 'lane', payload, headers },
        ...PLAIN_EVENT,
        lane: 'lane',
      })
      const headers = JSON.stringify({ timestamp: 0, correlationId: 'c' })
      await bench.started({}, () => undefined) // it has opened the store
      await persistence.events!.append([message('1', '{'), message('2', '{"n":2}')], undefined)
      await bench.within(bus.start())
      await bench.clock.advance(5000)
      expectEqual('what ran', log, ['ran 2'])
      expectEqual('how many are undecodable', (await persistence.inspect!.counts()).undecodable, 1)
    },
  },
  {
    rules: ['R-DUR-8'],
    title: 'takes an idempotency key once, also from two buses at once',
    run: async (bench) => {
      const { log } = bench
      const run = (bus: Bus) => bus.on(Placed, () => log.push('ran'), { name: 'a' })
      const buses = [await bench.started({}, run), await bench.started({}, run)]
      const published = buses.map((bus) => bus.publish(Placed({ n: 1 }), { idempotencyKey: 'k' }))
      const receipts = await bench.within(Promise.all(published))
      await bench.clock.advance(5000)
      expectEqual('the answers', receipts.map(({ status }) => status).toSorted(), ['accepted', 'duplicate'])
      expectEqual('what ran', log, ['ran'])
    },
  },
]
