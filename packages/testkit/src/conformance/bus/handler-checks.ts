import type { Bus, PluginHost } from '@buslane/core'
import { expectEqual } from '../expect.ts'
import { type Bench, Other, Placed } from './bench.ts'
import type { BusCheck } from './check.ts'

/** A bus whose process is gone after its handler `slow` has begun with event 1. */
async function killedInSlow(bench: Bench, handlers: (bus: Bus) => void, sessionId = 'lane'): Promise<void> {
  const link = bench.link()
  const bus = await bench.started({ persistence: link.persistence }, handlers)
  await bench.within(bus.publish(Placed({ n: 1 }, { sessionId })))
  await bench.clock.advance(100)
  link.fault = 'hang'
}

const forEver = (): Promise<never> => new Promise(() => undefined)

/** Which handlers run of an event, by name. */
export const handlerChecks: readonly BusCheck[] = [
  {
    rules: ['C-39', 'R-DUR-6', 'R-PRI-3'],
    title: 'goes on elsewhere with the group that was not finished: not with earlier ones, and later ones wait for it',
    run: async (bench) => {
      const { log } = bench
      await killedInSlow(bench, (bus) => {
        bus.on(Placed, () => log.push('first'), { name: 'first', priority: 10 })
        bus.on(Placed, () => log.push('quick'), { name: 'quick', priority: 50 })
        bus.on(Placed, forEver, { name: 'slow', priority: 50 })
        bus.on(Placed, () => log.push('last'), { name: 'last', priority: 90 })
      })
      expectEqual('what ran before the kill', log, ['first', 'quick'])
      const slow = Promise.withResolvers<void>()
      await bench.started({}, (bus) => {
        bus.on(Placed, () => log.push('first again'), { name: 'first', priority: 10 })
        bus.on(Placed, () => log.push('quick again'), { name: 'quick', priority: 50 })
        bus.on(Placed, () => log.push('slow') && slow.promise, { name: 'slow', priority: 50 })
        bus.on(Placed, () => log.push('last'), { name: 'last', priority: 90 })
      })
      await bench.clock.advance(20_000)
      expectEqual('what ran while the group is not finished', log, ['first', 'quick', 'slow'])
      slow.resolve()
      await bench.clock.advance(1000)
      expectEqual('what ran', log, ['first', 'quick', 'slow', 'last'])
      expectEqual('what is stored', await bench.stored(), 0)
    },
  },
  {
    rules: ['C-43', 'R-DUR-13'],
    title: 'knows a handler by its name: another function, from another file, goes on for it',
    run: async (bench) => {
      const { log } = bench
      await killedInSlow(bench, (bus) => {
        bus.on(Placed, function before() {}, { name: 'done', priority: 0 })
        bus.on(Placed, forEver, { name: 'slow' })
      })
      await bench.started({}, (bus) => {
        bus.on(Placed, () => log.push('again'), { name: 'done', priority: 0 })
        bus.on(
          Placed,
          function renamed() {
            log.push('slow')
          },
          { name: 'slow' },
        )
      })
      await bench.clock.advance(20_000)
      expectEqual('what ran', log, ['slow'])
    },
  },
  {
    rules: ['C-43', 'R-DUR-13'],
    title: 'leaves an event whose handler nobody here knows to others, visibly, and gives it up after noHandlerAfterMs',
    run: async (bench) => {
      const { log } = bench
      const { noHandlerAfterMs } = bench.persistence.events!.settings
      await killedInSlow(bench, (bus) => bus.on(Placed, forEver, { name: 'slow' }))
      const bus = await bench.started({}, (bus) => bus.on(Placed, () => log.push('other'), { name: 'other' }))
      await bench.clock.advance(noHandlerAfterMs / 2)
      expectEqual('whether it was put aside', (bus.stats().stored?.deferred ?? 0) > 0, true)
      const { warnings } = bus.health()
      expectEqual(
        'what health says',
        warnings.map(({ code, message }) => [code, message.includes("'slow'")]),
        [['UNHANDLED', true]],
      )
      expectEqual('what is stored', await bench.stored(), 1)
      await bench.within(bus.publish(Placed({ n: 2 }, { sessionId: 'lane' })))
      await bench.clock.advance(1000)
      expectEqual('what ran: its lane does not wait', log, ['other'])
      await bench.clock.advance(noHandlerAfterMs)
      expectEqual('the reasons', await bench.reasons(), ['no-handler'])
      expectEqual('what ran', log, ['other'])
      expectEqual('what health says after that', bus.health().warnings, [])
    },
  },
  {
    rules: ['R-DUR-13'],
    title: 'says no longer that an event waits for its handler when a person has taken it away',
    run: async (bench) => {
      await killedInSlow(bench, (bus) => bus.on(Placed, forEver, { name: 'slow' }))
      const bus = await bench.started({}, (bus) => bus.on(Placed, () => bench.log.push('ran'), { name: 'other' }))
      await bench.clock.advance(20_000)
      expectEqual('the warnings', bus.health().warnings.length, 1)
      const [waiting] = (await bench.persistence.inspect!.list()).entries
      expectEqual('what the person is told', await bench.persistence.inspect!.cancel(waiting!.key), 'cancelled')
      await bench.clock.advance(20_000)
      expectEqual('the warnings after that', bus.health().warnings, [])
    },
  },
  {
    rules: ['R-DUR-13', 'R-SES-1'],
    title: 'skips the handlers of a session that is gone, and runs those of the bus',
    run: async (bench) => {
      const { log } = bench
      await killedInSlow(
        bench,
        (bus) => {
          bus.session('chat').on(Placed, forEver, { name: 'mine', priority: 10 })
          bus.on(Placed, () => log.push('ours'), { name: 'ours', priority: 50 })
        },
        'chat',
      )
      await bench.started({}, (bus) => bus.on(Placed, () => log.push('ours'), { name: 'ours', priority: 50 }))
      await bench.clock.advance(20_000)
      expectEqual('what ran', log, ['ours'])
      expectEqual('what is stored', await bench.stored(), 0)
      expectEqual('the reasons', await bench.reasons(), [])
    },
  },
  {
    rules: ['R-DUR-8'],
    title: 'starts nothing that has expired: it goes to the dead letters',
    run: async (bench) => {
      const publisher = bench.bus()
      await bench.within(publisher.publish(Placed({ n: 1 }, { sessionId: 'lane' }), { expiresInMs: 60_000 }))
      await bench.within(publisher.publish(Placed({ n: 2 }, { sessionId: 'lane' }), { expiresInMs: 600_000 }))
      await bench.clock.advance(120_000)
      await bench.started({}, (bus) =>
        bus.on(Placed, ({ payload }) => bench.log.push(`ran ${payload.n}`), { name: 'a' }),
      )
      await bench.clock.advance(10_000)
      expectEqual('what ran', bench.log, ['ran 2'])
      expectEqual('the reasons', await bench.reasons(), ['expired'])
    },
  },
  {
    rules: ['R-REG-2', 'R-LANE-3'],
    title:
      'claims nothing of a type whose gate is closed: its lanes wait, others flow, and all goes on in order when it opens',
    run: async (bench) => {
      const { log } = bench
      let host: PluginHost | undefined
      await bench.started({ plugins: [{ name: 'gate', install: (given) => (host = given) }] }, (bus) => {
        for (const type of [Placed, Other]) bus.on(type, ({ payload }) => log.push(`${payload.n}`), { name: 'a' })
      })
      host?.gate(Placed.type, false)
      const publisher = bench.bus()
      await bench.within(publisher.publish(Placed({ n: 1 }, { sessionId: 'held' })))
      await bench.within(publisher.publish(Other({ n: 2 }, { sessionId: 'held' })))
      await bench.within(publisher.publish(Other({ n: 3 }, { sessionId: 'free' })))
      await bench.clock.advance(60_000)
      expectEqual('what ran while the gate is closed', log, ['3'])
      host?.gate(Placed.type, true)
      await bench.clock.advance(10_000)
      expectEqual('what ran', log, ['3', '1', '2'])
    },
  },
]
