import { expectEqual } from '../expect.ts'
import { Once, Other, Placed } from './bench.ts'
import type { BusCheck } from './check.ts'

/** Stored events while a bus stops (R-STOP-1). */
export const stoppingChecks: readonly BusCheck[] = [
  {
    rules: ['C-75', 'R-DUR-11', 'R-DUR-12'],
    title: "gives back what stop aborts, with no attempt used up and no dead letter, but for onCrash 'fail'",
    run: async (bench) => {
      const { log } = bench
      const bus = await bench.started({}, (bus) => {
        for (const type of [Placed, Once]) {
          bus.on(
            type,
            (_event, { signal }) =>
              new Promise((_, reject) => {
                signal.addEventListener('abort', () => reject(signal.reason as Error))
              }),
            { name: 'a' },
          )
        }
      })
      await bench.within(bus.publish(Placed({ n: 1 }, { sessionId: 'one' })))
      await bench.within(bus.publish(Once({ n: 2 }, { sessionId: 'two' })))
      await bench.clock.advance(100)
      await bench.within(bus.stop({ timeoutMs: 1000 }), 20_000)
      expectEqual('the reasons', await bench.reasons(), ['interrupted'])
      await bench.started({}, (bus) => {
        for (const type of [Placed, Once])
          bus.on(type, ({ payload }, { attempt }) => log.push(`${payload.n} attempt ${attempt}`), { name: 'a' })
      })
      await bench.clock.advance(100)
      expectEqual('what runs elsewhere, at once', log, ['1 attempt 1'])
    },
  },
  {
    rules: ['C-76', 'R-PUB-5'],
    title: 'writes what handlers that finish during stop have done, and stores what they publish',
    run: async (bench) => {
      const { log } = bench
      const finishing = Promise.withResolvers<void>()
      const bus = await bench.started({}, (bus) =>
        bus.on(
          Placed,
          async (_event, context) => {
            await finishing.promise
            await context.publish(Other({ n: 2 }))
            log.push('finished')
          },
          { name: 'a' },
        ),
      )
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(100)
      const stopped = bus.stop()
      await bench.clock.advance(1000)
      finishing.resolve()
      await bench.within(stopped, 20_000)
      await bench.started({}, (bus) => {
        bus.on(Placed, () => log.push('again'), { name: 'a' })
        bus.on(Other, ({ payload }) => log.push(`other ${payload.n}`), { name: 'a' })
      })
      await bench.clock.advance(20_000)
      expectEqual('what ran', log, ['finished', 'other 2'])
    },
  },
  {
    rules: ['C-78', 'R-PUB-5'],
    title: 'refuses a durable publish from outside once stop began, and stores nothing of it',
    run: async (bench) => {
      const bus = await bench.started({}, (bus) => bus.on(Placed, () => new Promise(() => undefined), { name: 'a' }))
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(100)
      const stopped = bus.stop({ timeoutMs: 5000 })
      expectEqual('the code', await bench.codeOf(bus.publish(Placed({ n: 2 }))), 'BUS_STOPPED')
      await bench.within(stopped, 20_000)
      expectEqual('what is stored', await bench.stored(), 1)
    },
  },
  {
    rules: ['C-22', 'C-23', 'R-SCH-3'],
    title: 'handles once, in the next process, what was scheduled in one that ended without a word',
    run: async (bench) => {
      const link = bench.link()
      const first = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('first'), { name: 'a' }),
      )
      await bench.within(first.schedule(Placed({ n: 1 }), { delayMs: 120_000 }))
      link.fault = 'hang'
      const second = bench.link()
      await bench.started({ persistence: second.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('second'), { name: 'a' }),
      )
      second.fault = 'hang'
      await bench.clock.advance(60_000)
      await bench.started({}, (bus) => bus.on(Placed, () => bench.log.push('third'), { name: 'a' }))
      await bench.clock.advance(300_000)
      expectEqual('what ran', bench.log, ['third'])
    },
  },
]
