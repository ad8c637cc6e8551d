import { describe, expect, it } from 'vitest'
import {
  type Bus,
  type BusOptions,
  createHandlerRegistry,
  defineCommand,
  defineEvent,
  type HandlerRegistry,
  type PriorityHandlerRegistry,
  SessionStarted,
} from '../src/index.ts'
import { baseRegistry } from './support/base-registry.ts'
import { quietBus, runningBus } from './support/quiet-bus.ts'
import { settle } from './support/virtual-clock.ts'

const Placed = defineEvent<string>('order.placed')
const Shipped = defineEvent<string>('order.parcel.shipped')
const Do = defineCommand<string, string>('do')

const setUp = async (options: BusOptions = {}) => {
  const bus = await runningBus(options)
  const log: string[] = []
  return { bus, log, note: (name: string) => () => void log.push(name) }
}

/** A registry with priorities that gives entries of its own making, as one backed by a table would. */
const copyingRegistry = (): HandlerRegistry & PriorityHandlerRegistry => {
  const kept = createHandlerRegistry()
  return {
    contract: 'handler-registry/1',
    registerCommandHandler: (registration) => kept.registerCommandHandler(registration),
    registerEventHandler: (registration) => kept.registerEventHandler(registration),
    getCommandHandler: (type, sessionId) => kept.getCommandHandler(type, sessionId),
    getEventHandlers: (type, sessionId) => kept.getEventHandlers(type, sessionId),
    unregisterSession: (sessionId) => kept.unregisterSession(sessionId),
    getEventHandlerEntries: (type, sessionId) =>
      kept
        .getEventHandlerEntries(type, sessionId)
        .map(({ handler, priority, name, options }) => ({ handler, priority, name, options })),
  }
}

describe('who handles an event', () => {
  it('R-PRI-2 merges handlers of the bus, of the session and of patterns by priority, not by scope', async () => {
    const { bus, log, note } = await setUp()
    const session = bus.session('s')
    session.on(Placed, note('session 30'), { priority: 30 })
    bus.onPattern('order.*', note('pattern 20'), { priority: 20 })
    bus.on(Placed, note('bus 40'), { priority: 40 })
    bus.on(Placed, note('bus 10'), { priority: 10 })
    bus.onPattern('**', note('pattern 35'), { priority: 35 })
    session.on(Placed, note('session 5'), { priority: 5 })

    await session.publishAndWait(Placed('a'))

    expect(log).toEqual(['session 5', 'bus 10', 'pattern 20', 'session 30', 'pattern 35', 'bus 40'])
  })

  it('R-PRI-2 starts the handlers of one priority in registration order, across scopes and patterns', async () => {
    const { bus, log, note } = await setUp()
    const session = bus.session('s')
    session.on(Placed, note('1 session'))
    bus.onPattern('order.*', note('2 pattern'))
    bus.on(Placed, note('3 bus'))
    session.on(Placed, note('4 session'))
    bus.onPattern('*.placed', note('5 pattern'))
    bus.on(Placed, note('6 bus'))

    await session.publishAndWait(Placed('a'))

    expect(log).toEqual(['1 session', '2 pattern', '3 bus', '4 session', '5 pattern', '6 bus'])
  })

  it('R-PRI-2 counts a handler that is registered again from its new registration on', async () => {
    const { bus, log, note } = await setUp()
    const first = note('first')
    const registration = bus.on(Placed, first)
    bus.on(Placed, note('second'))
    registration.remove()
    bus.on(Placed, first)

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(['second', 'first'])
  })

  it('R-PRI-2 calls a handler once for each of its registrations', async () => {
    const { bus, log, note } = await setUp()
    const twice = note('twice')
    bus.on(Placed, twice, { priority: 90 })
    const early = bus.on(Placed, twice, { priority: 10 })

    await bus.publishAndWait(Placed('a'))
    early.remove()
    await bus.publishAndWait(Placed('b'))

    expect(log).toEqual(['twice', 'twice', 'twice'])
  })

  it('R-PRI-2 gives events of the bus and of other sessions no handlers of a session', async () => {
    const { bus, log, note } = await setUp()
    bus.session('s').on(Placed, note('session'))
    bus.on(Placed, note('bus'))

    await bus.publishAndWait(Placed('a'))
    await bus.session('t').publishAndWait(Placed('b'))

    expect(log).toEqual(['bus', 'bus'])
  })

  it('R-PRI-2 shows system events to no pattern', async () => {
    const { bus, log, note } = await setUp()
    bus.onPattern('**', note('pattern'))
    bus.onPattern('buslane.**', note('pattern'))
    bus.on(SessionStarted, note('handler'))
    bus.session('s')
    await bus.idle()

    expect(log).toEqual(['handler'])
  })

  it.each([
    ['order.*', ['placed']],
    ['order.**', ['placed', 'shipped']],
    ['**', ['placed', 'shipped']],
    ['*.*', ['placed']],
    ['**.shipped', ['shipped']],
    ['order.**.shipped', ['shipped']],
    ['order.placed', ['placed']],
    ['*', []],
    ['order', []],
  ])('R-PRI-2 lets the pattern %s hear %j', async (pattern, heard) => {
    const { bus, log } = await setUp()
    bus.onPattern(pattern, ({ payload }) => void log.push(payload as string))

    await bus.publishAndWait(Placed('placed'))
    await bus.publishAndWait(Shipped('shipped'))

    expect(log).toEqual(heard)
  })

  it('R-PRI-3 does not use plans that are out of date: handlers come and go between events', async () => {
    const { bus, log, note } = await setUp()
    const session = bus.session('s')
    await session.publishAndWait(Placed('nobody'))
    const registrations = [
      bus.on(Placed, note('bus')),
      session.on(Placed, note('session')),
      bus.onPattern('order.*', note('pattern')),
    ]
    await session.publishAndWait(Placed('all'))
    for (const registration of registrations) {
      registration.remove()
      await session.publishAndWait(Placed('fewer'))
    }

    expect(log).toEqual(['bus', 'session', 'pattern', 'session', 'pattern', 'pattern'])
  })

  it('R-PRI-3 drops the handlers of a session that has ended, also if it is opened again', async () => {
    const { bus, log, note } = await setUp()
    const session = bus.session('s')
    session.on(Placed, note('old'))
    await session.publishAndWait(Placed('a'))
    await session.end()
    await bus.session('s').publishAndWait(Placed('b'))

    expect(log).toEqual(['old'])
  })

  it('R-PRI-3 removes by any of three ways, and twice without harm', async () => {
    const { bus, log, note } = await setUp()
    const controller = new AbortController()
    const removed = bus.on(Placed, note('remove'))
    bus.on(Placed, note('signal'), { signal: controller.signal })
    bus.on(Placed, note('aborted before'), { signal: AbortSignal.abort() })
    {
      using _disposed = bus.on(Placed, note('dispose'))
    }
    removed.remove()
    removed.remove()
    controller.abort()

    expect((await bus.publishAndWait(Placed('a'))).handlers).toEqual([])
    expect(log).toEqual([])
  })
})

describe('with other registries', () => {
  const registries: readonly (readonly [string, () => HandlerRegistry])[] = [
    ['only the base API', baseRegistry],
    ['entries of its own', copyingRegistry],
    ['every extension', createHandlerRegistry],
  ]

  it('R-REG-1 gives every handler of a base registry NORMAL, and starts them together in registration order', async () => {
    const { bus, log, note } = await setUp({ registry: baseRegistry() })
    const session = bus.session('s')
    bus.on(Placed, note('1 lowest'), { priority: 100 })
    session.on(Placed, note('2 session'), { priority: 0 })
    bus.onPattern('order.*', note('3 pattern'), { priority: 0 })
    bus.on(Placed, note('4 highest'), { priority: 0 })

    const { handlers } = await session.publishAndWait(Placed('a'))

    expect(log).toEqual(['1 lowest', '2 session', '3 pattern', '4 highest'])
    expect(handlers.map(({ priority }) => priority)).toEqual([50, 50, 50, 50])
  })

  it('R-PRI-2 keeps strict groups with a registry that gives entries of its own', async () => {
    const { bus, log, note } = await setUp({ registry: copyingRegistry() })
    bus.on(Placed, note('late'), { priority: 90 })
    bus.onPattern('order.*', note('between'), { priority: 50 })
    bus.on(Placed, () => settle().then(() => log.push('slow and early')), { priority: 10 })

    await bus.publishAndWait(Placed('a'))

    expect(log).toEqual(['slow and early', 'between', 'late'])
  })

  it.each(registries)(
    'R-PRI-3 removes handlers, patterns and once with a registry that has %s',
    async (_what, registry) => {
      const { bus, log, note } = await setUp({ registry: registry() })
      const removed = [
        bus.on(Placed, note('handler')),
        bus.onPattern('order.*', note('pattern')),
        bus.session('s').on(Placed, note('session')),
      ]
      bus.on(Placed, note('once'), { once: true })
      bus.on(Placed, note('stays'))
      for (const registration of removed) registration.remove()

      const first = await bus.publishAndWait(Placed('a', { sessionId: 's' }))
      const second = await bus.publishAndWait(Placed('b', { sessionId: 's' }))

      expect(log).toEqual(['once', 'stays', 'stays'])
      expect([first, second].map(({ handlers }) => handlers.length)).toEqual([2, 1])
    },
  )

  it.each(registries.slice(1))(
    'R-PRI-3 skips what is removed in flight with a registry that has %s',
    async (_what, registry) => {
      const { bus, log } = await setUp({ registry: registry() })
      bus.on(Placed, ({ payload }) => void (payload === 'remover' && registration.remove()), { priority: 1 })
      const registration = bus.on(Placed, ({ payload }) => void log.push(payload), { priority: 2 })

      await bus.publishAndWait(Placed('remover'))
      await bus.publishAndWait(Placed('after'))

      expect(log).toEqual([])
    },
  )

  it.each(registries)('R-PRI-3 ends the handlers of a session with a registry that has %s', async (_what, registry) => {
    const { bus, log, note } = await setUp({ registry: registry() })
    const session = bus.session('s')
    session.on(Placed, note('session'))
    await session.publishAndWait(Placed('a'))
    await session.end()
    await bus.publishAndWait(Placed('b', { sessionId: 's' }))

    expect(log).toEqual(['session'])
  })

  it('R-REG-1 hears handlers that were put into a shared registry by someone else', async () => {
    const registry = createHandlerRegistry()
    const { bus, log, note } = await setUp({ registry })
    bus.session('s')
    await bus.publishAndWait(Placed('nobody', { sessionId: 's' }))
    const foreign = { type: 'order.placed', name: 'foreign', priority: 50, options: {} }
    registry.registerEventHandler({ ...foreign, sessionId: 'BUS', handler: note('bus') })
    registry.registerEventHandler({ ...foreign, sessionId: 's', handler: note('session') })

    await bus.publishAndWait(Placed('a', { sessionId: 's' }))

    expect(log).toEqual(['bus', 'session'])
  })

  it('R-REG-1 refuses a registry of another contract, and names the one it takes', () => {
    expect(() => quietBus({ registry: { ...baseRegistry(), contract: 'handler-registry/9' as never } })).toThrow(
      /handler-registry\/1/,
    )
  })
})

describe('who handles a command', () => {
  it('R-ERR-4 gives a failed result with NO_HANDLER for a command that nobody handles', async () => {
    const { bus } = await setUp()

    const result = await bus.execute(Do('a'))

    expect(result).toMatchObject({ success: false, attempts: 0, error: { code: 'NO_HANDLER' } })
    expect((result as { error: Error }).error.message).toMatch(/'do'.*bus\.handle/)
  })

  it.each<readonly [string, (bus: Bus) => { handle: Bus['handle'] }]>([
    ['the bus', (bus) => bus],
    ['one session', (bus) => bus.session('s')],
  ])('R-ERR-4 throws for a second handler in the scope of %s, and keeps the first', async (_scope, scopeOf) => {
    const { bus } = await setUp()
    const scope = scopeOf(bus)
    scope.handle(Do, () => 'first', { name: 'first' })

    expect(() => scope.handle(Do, () => 'second')).toThrow(expect.objectContaining({ code: 'HANDLER_EXISTS' }))

    await expect(bus.execute(Do('a', { sessionId: 's' }))).resolves.toMatchObject({ value: 'first' })
  })

  it('R-ERR-4 takes a second handler once the first is removed, and one for each session', async () => {
    const { bus } = await setUp()
    bus.handle(Do, () => 'first').remove()
    bus.handle(Do, () => 'second')
    bus.session('s').handle(Do, () => 'session')

    await expect(bus.execute(Do('a'))).resolves.toMatchObject({ value: 'second' })
    await expect(bus.execute(Do('a', { sessionId: 's' }))).resolves.toMatchObject({ value: 'session' })
  })

  it('R-ERR-4 has no handler again after the only one was removed', async () => {
    const { bus } = await setUp()
    bus.handle(Do, () => 'first').remove()

    await expect(bus.execute(Do('a'))).resolves.toMatchObject({ success: false, error: { code: 'NO_HANDLER' } })
  })
})
