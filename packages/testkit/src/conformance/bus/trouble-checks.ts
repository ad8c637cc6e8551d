import { type Bus, BusError, type Report } from '@buslane/core'
import { expectEqual, expectTrue } from '../expect.ts'
import { Placed } from './bench.ts'
import type { BusCheck } from './check.ts'

const hanging = (verb: string): BusCheck => ({
  rules: ['R-SCH-4', 'C-63'],
  title: `goes on when one \`${verb}\` is never answered`,
  run: async (bench) => {
    const { log } = bench
    const link = bench.link()
    await bench.started({ persistence: link.persistence }, (bus) =>
      bus.on(Placed, ({ payload }) => log.push(`ran ${payload.n}`), { name: 'a' }),
    )
    link.once.set(verb, 'hang')
    const elsewhere = bench.bus()
    await bench.within(elsewhere.publish(Placed({ n: 1 })))
    await bench.clock.advance(60_000)
    await bench.within(elsewhere.publish(Placed({ n: 2 })))
    await bench.clock.advance(60_000)
    expectEqual('what ran', log, ['ran 1', 'ran 2'])
    expectEqual('what is stored', await bench.stored(), 0)
  },
})

const ofKind =
  (wanted: Report['kind']) =>
  (verb: string, [reports]: readonly unknown[]): boolean | Error =>
    verb === 'report' &&
    (reports as readonly Report[]).some(({ kind }) => kind === wanted) &&
    new BusError('STORE_FAILED', 'permission denied', { retryable: false })

/** What becomes of an event whose report the store refuses for a while. */
const refusing = (kind: Report['kind'], fails: boolean): BusCheck => ({
  rules: ['R-DUR-3', 'R-SCH-4'],
  title: `runs nothing again while the store refuses '${kind}', says so once, and goes on when it takes it`,
  run: async (bench) => {
    const link = bench.link()
    const logged: string[] = []
    const logger = {
      debug: noop,
      info: noop,
      warn: noop,
      error: (_fields: object, message: string) => void logged.push(message),
    }
    const bus = await bench.started({ persistence: link.persistence, logger }, (bus) =>
      bus.on(Placed, () => void (fails && JSON.parse('{')), { name: 'a' }),
    )
    bus.observe({ handlerStarted: () => void bench.log.push('ran') })
    link.refuses = ofKind(kind)
    await bench.within(bus.publish(Placed({ n: 1 })))
    await bench.clock.advance(30_000)
    expectEqual('what ran', bench.log, ['ran'])
    expectEqual('how often it was said', logged.filter((line) => line.includes('refuses')).length, 1)
    expectEqual('the warnings', warningsOf(bus), ['PERSISTENCE_REFUSES'])
    link.refuses = () => false
    await bench.clock.advance(60_000)
    expectEqual('what is stored', await bench.stored(), 0)
    expectEqual('what ran in all', bench.log, ['ran'])
    expectEqual('the warnings after that', warningsOf(bus), [])
  },
})

const noop = (): void => {}

const warningsOf = (bus: Bus): readonly string[] => bus.health().warnings.map(({ code }) => code)

const isDead = ({ kind }: Report): boolean => kind === 'dead'

/** The store goes away and comes back (R-SCH-4). */
export const troubleChecks: readonly BusCheck[] = [
  ...['claim', 'report', 'ready', 'sweep'].map(hanging),
  refusing('complete', false),
  refusing('dead', true),
  {
    rules: ['R-DUR-3', 'R-STOP-1'],
    title: 'stops although the store refuses what became of an event',
    run: async (bench) => {
      const link = bench.link()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('ran'), { name: 'a' }),
      )
      link.refuses = ofKind('complete')
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(5000)
      await bench.within(bus.stop({ timeoutMs: 1000 }))
      expectEqual('what is stored', await bench.stored(), 1)
      expectEqual('what ran', bench.log, ['ran'])
    },
  },
  {
    rules: ['R-DUR-3', 'R-SCH-4'],
    title: 'handles what was claimed when the answer to the claim was lost',
    run: async (bench) => {
      const link = bench.link()
      await bench.within(bench.bus().publish(Placed({ n: 1 })))
      link.once.set('claim', 'answer-lost')
      await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('ran'), { name: 'a' }),
      )
      await bench.clock.advance(30_000)
      expectEqual('what ran', bench.log, ['ran'])
    },
  },
  {
    rules: ['R-DUR-3', 'R-SCH-4'],
    title: 'handles what was claimed in an answer that was lost, and what it holds runs on, once',
    run: async (bench) => {
      const { log } = bench
      const link = bench.link()
      const slow = Promise.withResolvers<void>()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, ({ payload: { n } }) => log.push(`ran ${n}`) && (n === 1 ? slow.promise : undefined), {
          name: 'a',
        }),
      )
      await bench.within(bus.publish(Placed({ n: 1 }, { sessionId: 'slow' })))
      await bench.clock.advance(100)
      link.once.set('claim', 'answer-lost')
      await bench.within(bench.bus().publish(Placed({ n: 2 }, { sessionId: 'lost' })))
      await bench.clock.advance(30_000)
      expectEqual('what ran while the first runs on', log, ['ran 1', 'ran 2'])
      slow.resolve()
      await bench.clock.advance(5000)
      expectEqual('what ran in all', log, ['ran 1', 'ran 2'])
      expectEqual('the lost leases', bus.stats().stored?.lost, 0)
      expectEqual('what is stored', await bench.stored(), 0)
    },
  },
  {
    rules: ['R-DUR-3', 'R-SCH-4'],
    title: 'handles what was stored when the answer to the publish was lost',
    run: async (bench) => {
      const link = bench.link()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('ran'), { name: 'a' }),
      )
      link.once.set('append', 'answer-lost')
      expectEqual('the code', await bench.codeOf(bus.publish(Placed({ n: 1 }))), 'PERSISTENCE_UNAVAILABLE')
      await bench.clock.advance(30_000)
      expectEqual('what ran', bench.log, ['ran'])
    },
  },
  {
    rules: ['R-DUR-3', 'C-64'],
    title: 'runs a handler once when the answers to its reports are lost',
    run: async (bench) => {
      const link = bench.link()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('ran'), { name: 'a' }),
      )
      link.once.set('report', 'answer-lost')
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(30_000)
      expectEqual('what ran', bench.log, ['ran'])
      expectEqual('what is stored', await bench.stored(), 0)
    },
  },
  {
    rules: ['R-SCH-4', 'C-63'],
    title: 'starts without a store, refuses what must be stored, keeps schedules, and stores them when it is back',
    run: async (bench) => {
      const link = bench.link()
      link.fault = 'reject'
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('ran'), { name: 'a' }),
      )
      const event = Placed({ n: 1 })
      const codes = [
        await bench.codeOf(bus.publish(event)),
        await bench.codeOf(bus.schedule(event, { delayMs: 1, durability: 'required' })),
        await bench.codeOf(bus.schedule(event, { delayMs: 1, idempotencyKey: 'k' })),
      ]
      expectEqual('the codes', codes, Array<string>(3).fill('PERSISTENCE_UNAVAILABLE'))
      const scheduled = await bench.within(bus.schedule(event, { delayMs: 600_000 }))
      expectEqual('where it is kept', scheduled.durability, 'memory')
      await bench.clock.advance(60_000)
      expectTrue('few lines are logged', bench.warned.length <= 2)
      link.fault = undefined
      await bench.clock.advance(5000)
      expectEqual('what is stored', await bench.stored(), 1)
      expectEqual('the answer to cancel', await bench.within(scheduled.cancel()), 'cancelled')
      expectEqual('what is stored after that', await bench.stored(), 0)
    },
  },
  {
    rules: ['R-SCH-4', 'C-54'],
    title: 'keeps a failed event, and runs it no second time, while the dead letters cannot be written; health says so',
    run: async (bench) => {
      const link = bench.link()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => JSON.parse('{') as unknown, { name: 'a' }),
      )
      bus.observe({ handlerStarted: () => void bench.log.push('ran') })
      link.refuses = (verb, [reports]) => verb === 'report' && (reports as readonly Report[]).some(isDead)
      await bench.within(bus.publish(Placed({ n: 1 })))
      await bench.clock.advance(30_000)
      expectEqual('the reasons', await bench.reasons(), [])
      expectEqual('what is stored', await bench.stored(), 1)
      expectEqual(
        'the warnings',
        bus.health().warnings.map(({ code }) => code),
        ['PERSISTENCE_DEGRADED'],
      )
      link.refuses = () => false
      await bench.clock.advance(30_000)
      expectEqual('the reasons', await bench.reasons(), ['failed'])
      expectEqual('what is stored after that', await bench.stored(), 0)
      expectEqual('what ran', bench.log, ['ran'])
    },
  },
  {
    rules: ['R-SCH-4', 'C-63'],
    title: 'says once that writes fail while reads are answered, as on a full disk, and goes on by itself',
    run: async (bench) => {
      const link = bench.link()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.on(Placed, () => bench.log.push('ran'), { name: 'a' }),
      )
      const codes = new Set<unknown>()
      for (let attempt = 0; attempt < 20; attempt++) {
        link.once.set('append', 'reject')
        codes.add(await bench.codeOf(bus.publish(Placed({ n: attempt }))))
        await bench.clock.advance(500)
      }
      expectEqual('the codes', [...codes], ['PERSISTENCE_UNAVAILABLE'])
      expectTrue('few lines are logged', bench.warned.length <= 6)
      link.once.clear()
      await bench.clock.advance(5000)
      await bench.within(bus.publish(Placed({ n: 100 })))
      await bench.clock.advance(5000)
      expectEqual('what ran', bench.log, ['ran'])
    },
  },
  {
    rules: ['R-SCH-4'],
    title: 'closes as often as it opened a store whose opening takes longer than it waits',
    run: async (bench) => {
      const link = bench.link()
      const held = link.holdAnswer('open')
      const bus = bench.bus({ persistence: link.persistence })
      await bench.within(bus.start(), 20_000)
      held.release()
      await bench.clock.advance(20_000)
      await bench.within(bus.stop(), 30_000)
      expectEqual('opened and closed', [link.calls.get('open'), link.calls.get('close')], [1, 1])
    },
  },
  {
    rules: ['R-SES-1', 'R-SCH-4'],
    title: 'cancels with its session what was scheduled while the store was away and stored since',
    run: async (bench) => {
      const link = bench.link()
      link.fault = 'reject'
      const bus = await bench.started({ persistence: link.persistence }, () => undefined)
      const session = bus.session('chat')
      await bench.within(session.schedule(Placed({ n: 1 }), { delayMs: 600_000 }))
      link.fault = undefined
      await bench.clock.advance(5000)
      expectEqual('what is stored', await bench.stored(), 1)
      await bench.within(session.end())
      expectEqual('what is stored after the end', await bench.stored(), 0)
    },
  },
  {
    rules: ['R-STOP-1', 'R-SCH-4'],
    title: 'stops although a handler of a session is at work on a stored event and the store answers no more',
    run: async (bench) => {
      const link = bench.link()
      const bus = await bench.started({ persistence: link.persistence }, (bus) =>
        bus.session('chat').on(Placed, () => new Promise(() => undefined), { name: 'slow' }),
      )
      await bench.within(bus.publish(Placed({ n: 1 }, { sessionId: 'chat' })))
      await bench.clock.advance(100)
      link.fault = 'hang'
      await bench.within(bus.stop({ timeoutMs: 1000 }), 60_000)
      expectEqual('the state', bus.state, 'stopped')
      expectEqual('what is stored', await bench.stored(), 1)
    },
  },
  {
    rules: ['R-SCH-4'],
    title: 'starts and stops while the store never answers',
    run: async (bench) => {
      const link = bench.link()
      link.fault = 'hang'
      const bus = bench.bus({ persistence: link.persistence })
      await bench.within(bus.start())
      expectEqual('the state', bus.state, 'running')
      await bench.within(bus.stop(), 30_000)
      expectEqual('the state', bus.state, 'stopped')
    },
  },
]
