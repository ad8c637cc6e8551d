import { describe, expect, it } from 'vitest'
import {
  BUS,
  createBus,
  createHandlerRegistry,
  defineCommand,
  defineEvent,
  EventHandlerFailed,
  type EventRegistration,
  type HandlerRegistry,
  isObservableHandlerRegistry,
  isPatternHandlerRegistry,
  isPriorityHandlerRegistry,
  isRemovableHandlerRegistry,
  unwrap,
} from '../src/index.ts'
import { baseRegistry } from './support/base-registry.ts'
import { deferred } from './support/deferred.ts'
import { failureOf } from './support/failure.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle } from './support/virtual-clock.ts'

const Placed = defineEvent<number>('order.placed')
const Place = defineCommand<number, number>('order.place')

const noting = () => {
  const heard: string[] = []
  const note = (name: string) => () => void heard.push(name)
  return { heard, note }
}

describe('the guards', () => {
  it('R-REG-1 find each extension by its methods, and nothing else', () => {
    const guards = [
      isPriorityHandlerRegistry,
      isRemovableHandlerRegistry,
      isPatternHandlerRegistry,
      isObservableHandlerRegistry,
    ]
    const found = (registry: object): boolean[] => guards.map((guard) => guard(registry))
    const method = (): void => undefined
    expect(found(baseRegistry())).toEqual([false, false, false, false])
    expect(found(createHandlerRegistry())).toEqual([true, true, true, true])
    expect(found({ getEventHandlerEntries: method })).toEqual([true, false, false, false])
    expect(found({ unregister: method })).toEqual([false, true, false, false])
    expect(found({ getPatternEntries: method })).toEqual([false, false, true, false])
    expect(found({ getHandlerStats: method, onChange: method })).toEqual([false, false, false, true])
    expect(found({ onChange: method, unregister: true, getPatternEntries: 'x' })).toEqual([false, false, false, false])
  })
})

describe('a registry with only the base API', () => {
  const made = async () => {
    const bus = createBus({ registry: baseRegistry(), logger: recordingLogger() })
    await bus.start()
    return { bus, ...noting() }
  }

  it('R-REG-1 handles events and commands', async () => {
    const { bus, heard, note } = await made()
    bus.on(Placed, note('a'))
    bus.on(Placed, note('b'))
    bus.handle(Place, ({ payload }) => payload * 2)
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['a', 'b'])
    expect(unwrap(await bus.execute(Place(2)))).toBe(4)
    expect(bus.stats().handlers).toBeUndefined()
  })

  it('R-REG-1 gives every handler NORMAL: they form one group, in registration order', async () => {
    const { bus } = await made()
    const gate = deferred()
    const started: string[] = []
    bus.on(
      Placed,
      async () => {
        started.push('first')
        await gate.promise
      },
      { priority: 90, name: 'first' },
    )
    bus.on(Placed, () => void started.push('second'), { priority: 0, name: 'second' })
    const outcome = bus.publishAndWait(Placed(1))
    await settle()
    expect(started).toEqual(['first', 'second'])
    gate.resolve()
    expect((await outcome).handlers).toMatchObject([
      { name: 'first', priority: 50, status: 'fulfilled' },
      { name: 'second', priority: 50, status: 'fulfilled' },
    ])
  })

  it('R-REG-1 keeps track of removed handlers itself', async () => {
    const { bus, heard, note } = await made()
    const controller = new AbortController()
    const removed = bus.on(Placed, note('removed'))
    bus.on(Placed, note('signal'), { signal: controller.signal })
    bus.on(Placed, note('once'), { once: true })
    bus.on(Placed, note('stays'))
    await bus.publishAndWait(Placed(1))
    removed.remove()
    controller.abort()
    heard.length = 0
    const { handlers } = await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['stays'])
    expect(handlers).toHaveLength(1)
  })

  it('R-REG-1 tells registrations of one function apart', async () => {
    const { bus, heard, note } = await made()
    const handler = note('same')
    const first = bus.on(Placed, handler)
    bus.on(Placed, handler)
    first.remove()
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['same'])
  })

  it('R-REG-1 keeps patterns itself', async () => {
    const { bus, heard, note } = await made()
    const pattern = bus.onPattern('order.*', note('pattern'))
    bus.on(Placed, note('on'))
    await bus.publishAndWait(Placed(1))
    expect(heard.toSorted()).toEqual(['on', 'pattern'])
    pattern.remove()
    await bus.publishAndWait(Placed(1))
    expect(heard).toHaveLength(3)
  })

  it('R-REG-1 gives pattern handlers NORMAL as well', async () => {
    const { bus, heard, note } = await made()
    bus.on(Placed, note('on'), { priority: 90 })
    bus.onPattern('order.*', note('pattern'), { priority: 0 })
    const { handlers } = await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['on', 'pattern'])
    expect(handlers.map(({ priority }) => priority)).toEqual([50, 50])
  })

  it('R-REG-1 R-SES-1 keeps sessions apart, and removes their handlers', async () => {
    const { bus, heard, note } = await made()
    const session = bus.session('chat')
    session.on(Placed, note('session'))
    session.handle(Place, () => 1)
    bus.handle(Place, () => 2)
    await bus.publishAndWait(Placed(1))
    await session.publishAndWait(Placed(1))
    expect(heard).toEqual(['session'])
    expect(unwrap(await session.execute(Place(0)))).toBe(1)
    await session.end()
    await bus.publishAndWait(Placed(1, { sessionId: 'chat' }))
    expect(heard).toEqual(['session'])
    expect(unwrap(await bus.execute(Place(0, { sessionId: 'chat' })))).toBe(2)
    const again = bus.session('chat')
    again.handle(Place, () => 3)
    expect(unwrap(await again.execute(Place(0)))).toBe(3)
  })

  it('R-REG-1 a removed command handler is gone, and another can take its place', async () => {
    const { bus } = await made()
    bus.handle(Place, () => 1).remove()
    await expect(bus.execute(Place(0))).resolves.toMatchObject({ error: { code: 'NO_HANDLER' } })
    bus.handle(Place, () => 2)
    expect(unwrap(await bus.execute(Place(0)))).toBe(2)
    expect(() => bus.handle(Place, () => 3)).toThrow('has a handler')
  })

  it('R-REG-1 removing a command handler twice leaves its successor alone, even if that is the same function', async () => {
    const { bus } = await made()
    const handler = (): number => 1
    const first = bus.handle(Place, handler)
    first.remove()
    bus.handle(Place, handler)
    first.remove()
    expect(unwrap(await bus.execute(Place(0)))).toBe(1)
  })

  it('R-REG-1 a removed session handler uncovers that of the bus', async () => {
    const { bus } = await made()
    bus.handle(Place, () => 1)
    const session = bus.session('chat')
    session.handle(Place, () => 2).remove()
    expect(unwrap(await session.execute(Place(0)))).toBe(1)
  })

  it('R-REG-1 works with middleware and system events', async () => {
    const { bus, heard } = await made()
    bus.use({ event: ({ type }, _context, next) => (heard.push(type), next()) })
    bus.on(Placed, () => {
      throw new Error('x')
    })
    bus.on(EventHandlerFailed, ({ payload }) => void heard.push(payload.eventType))
    await bus.publish(Placed(1))
    await bus.idle()
    expect(heard).toEqual(['order.placed', 'buslane.event-handler.failed', 'order.placed'])
  })

  it('runs handlers that stand in the registry without having come through the bus', async () => {
    const registry = baseRegistry()
    const { heard, note } = noting()
    const own = { type: 'order.placed', sessionId: BUS, handler: note('own'), name: 'own', priority: 50, options: {} }
    registry.registerEventHandler(own)
    const bus = createBus({ registry })
    bus.on(Placed, note('bus'))
    await bus.start()
    await bus.publishAndWait(Placed(1))
    expect(heard.toSorted()).toEqual(['bus', 'own'])
  })
})

describe('single extensions', () => {
  /** The base, and of the full registry only these methods. */
  const withOnly = (...names: (keyof ReturnType<typeof createHandlerRegistry>)[]): HandlerRegistry => {
    const full = createHandlerRegistry()
    const base = [
      'registerCommandHandler',
      'registerEventHandler',
      'getCommandHandler',
      'getEventHandlers',
      'unregisterSession',
    ] as const
    const entries = [...base, ...names].map((name) => [
      name,
      (full[name] as (...args: unknown[]) => unknown).bind(full),
    ])
    return { contract: 'handler-registry/1', ...Object.fromEntries(entries) } as HandlerRegistry
  }

  it('R-REG-1 priority alone: strict order, removal kept by the bus', async () => {
    const { heard, note } = noting()
    const bus = createBus({ registry: withOnly('getEventHandlerEntries') })
    bus.on(Placed, note('low'), { priority: 90 })
    const removed = bus.on(Placed, note('removed'), { priority: 1 })
    bus.on(Placed, note('once'), { priority: 2, once: true })
    bus.on(Placed, note('high'), { priority: 10 })
    await bus.start()
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['removed', 'once', 'high', 'low'])
    removed.remove()
    heard.length = 0
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['high', 'low'])
  })

  it('R-REG-1 entries of its own making, which are not the registrations: removal, once and skipping still hold', async () => {
    const full = createHandlerRegistry()
    const registry = {
      ...withOnly(),
      registerEventHandler: (registration: EventRegistration) => full.registerEventHandler(registration),
      getEventHandlerEntries: (type: string, sessionId: string) =>
        full
          .getEventHandlerEntries(type, sessionId)
          .map(({ handler, name, priority, options }) => ({ handler, name, priority, options })),
    }
    const { heard, note } = noting()
    const bus = createBus({ registry })
    bus.on(Placed, note('once'), { once: true })
    bus.on(Placed, note('removed')).remove()
    bus.on(
      Placed,
      () => {
        later.remove()
        heard.push('remover')
      },
      { priority: 60 },
    )
    const later = bus.on(Placed, note('removed in flight'), { priority: 70 })
    await bus.start()
    await bus.publishAndWait(Placed(1))
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['once', 'remover', 'remover'])
  })

  it('R-REG-1 removal alone: the registry is told', async () => {
    const told: string[] = []
    const registry = {
      ...withOnly(),
      unregister: ({ type, name }: { type: string; name: string }) => void told.push(`${type} ${name}`),
    }
    const bus = createBus({ registry })
    bus.on(Placed, () => undefined, { name: 'a' }).remove()
    bus.handle(Place, () => 1, { name: 'b' }).remove()
    expect(told).toEqual(['order.placed a', 'order.place b'])
  })

  it('R-REG-1 patterns alone: the registry matches them', async () => {
    const { heard, note } = noting()
    const asked: string[] = []
    const inner = withOnly('getPatternEntries') as HandlerRegistry & ReturnType<typeof createHandlerRegistry>
    const registry = {
      ...inner,
      getPatternEntries: (type: string, sessionId: string) => {
        asked.push(type)
        return inner.getPatternEntries(type, sessionId)
      },
    }
    const bus = createBus({ registry })
    const pattern = bus.onPattern('order.*', note('pattern'))
    bus.onPattern('**', note('once'), { once: true })
    await bus.start()
    await bus.publishAndWait(Placed(1))
    expect(heard.toSorted()).toEqual(['once', 'pattern'])
    expect(asked).toContain('order.placed')
    pattern.remove()
    heard.length = 0
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual([])
  })

  it('R-REG-1 an observable registry is read again when it says that it changed', async () => {
    const { heard, note } = noting()
    const full = createHandlerRegistry()
    let reads = 0
    const registry = new Proxy(full, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        reads += name === 'getEventHandlerEntries' ? 1 : 0
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const bus = createBus({ registry })
    bus.on(Placed, note('a'))
    await bus.start()
    await bus.publishAndWait(Placed(1))
    const afterFirst = reads
    await bus.publishAndWait(Placed(1))
    expect(reads).toBe(afterFirst)
    full.registerEventHandler({
      type: 'order.placed',
      sessionId: BUS,
      handler: note('b'),
      name: 'b',
      priority: 0,
      options: {},
    })
    heard.length = 0
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['b', 'a'])
  })

  it('the registry is the truth: a handler that stands in it for a session is found, before and after the bus was made', async () => {
    const registry = createHandlerRegistry()
    const { heard, note } = noting()
    const own = (name: string): EventRegistration => ({
      type: 'order.placed',
      sessionId: 'chat',
      handler: note(name),
      name,
      priority: 50,
      options: {},
    })
    registry.registerEventHandler(own('before'))
    const bus = createBus({ registry })
    await bus.start()
    await bus.publishAndWait(Placed(1, { sessionId: 'chat' }))
    expect(heard).toEqual(['before'])
    registry.registerEventHandler(own('after'))
    await bus.publishAndWait(Placed(1, { sessionId: 'chat' }))
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['before', 'before', 'after'])
  })
})

describe('a registry that fails', () => {
  it('R-ERR-1 stops neither the bus nor other events', async () => {
    const base = baseRegistry()
    const logger = recordingLogger()
    let down = true
    const registry: HandlerRegistry = {
      ...base,
      getEventHandlers: (type, sessionId) => {
        expect(down, 'registry down').toBe(false)
        return base.getEventHandlers(type, sessionId)
      },
    }
    const bus = createBus({ registry, logger, queue: { capacity: 2 } })
    const { heard, note } = noting()
    bus.on(Placed, note('handled'))
    await bus.start()
    const refused = failureOf(bus.publishAndWait(Placed(1)))
    await bus.publish(Placed(2))
    expect(await refused).toMatchObject({
      message: expect.stringContaining('registry'),
    })
    await bus.idle()
    down = false
    await bus.publishAndWait(Placed(3))
    expect(heard).toEqual(['handled'])
    expect(logger.lines.some(({ message }) => message.includes("'order.placed'"))).toBe(true)
    expect(bus.stats()).toMatchObject({ offered: 3, settled: 3 })
  })
})

describe('the contract', () => {
  it.each([undefined, 'handler-registry/2', 'event-store/1', 1])(
    'R-REG-4 refuses the contract %j and names what it accepts',
    (contract) => {
      const registry = { ...baseRegistry(), contract } as never
      expect(() => createBus({ registry })).toThrow(
        expect.objectContaining({
          code: 'UNSUPPORTED_CONTRACT',
          message: expect.stringMatching(/handler-registry\/1/),
        }),
      )
    },
  )

  it.each([null, 'registry', 7])('R-REG-4 refuses %j as a registry with a typed error', (registry) => {
    expect(() => createBus({ registry: registry as never })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/UNSUPPORTED_CONTRACT|INVALID_ARGUMENT/) }),
    )
  })
})

describe('the default registry', () => {
  const registration = (type: string, sessionId: string, priority = 50): EventRegistration => ({
    type,
    sessionId,
    handler: () => undefined,
    name: `${type} ${sessionId} ${priority}`,
    priority,
    options: {},
  })
  const names = (entries: readonly { readonly name: string }[]): string[] => entries.map(({ name }) => name)

  it('merges bus and session by priority, then by registration', () => {
    const registry = createHandlerRegistry()
    registry.registerEventHandler(registration('e', 's', 50))
    registry.registerEventHandler(registration('e', BUS, 50))
    registry.registerEventHandler(registration('e', 's', 10))
    registry.registerEventHandler(registration('e', 'other', 0))
    expect(names(registry.getEventHandlerEntries('e', 's'))).toEqual(['e s 10', 'e s 50', 'e BUS 50'])
    expect(names(registry.getEventHandlerEntries('e', BUS))).toEqual(['e BUS 50'])
    expect(registry.getEventHandlers('e', 's')).toHaveLength(3)
    expect(registry.getEventHandlers('none', 's')).toEqual([])
  })

  it('gives patterns apart, and never changes an array that it gave', () => {
    const registry = createHandlerRegistry()
    const pattern = registration('a.*', BUS)
    registry.registerEventHandler(pattern)
    const before = registry.getPatternEntries('a.b', 's')
    registry.registerEventHandler(registration('**', 's'))
    expect(names(before)).toEqual(['a.* BUS 50'])
    expect(names(registry.getPatternEntries('a.b', 's'))).toEqual(['a.* BUS 50', '** s 50'])
    expect(registry.getEventHandlerEntries('a.b', 's')).toEqual([])
    registry.unregister(pattern)
    expect(names(registry.getPatternEntries('a.b', 's'))).toEqual(['** s 50'])
  })

  it('counts, tells of changes, and lets go of sessions', () => {
    const registry = createHandlerRegistry()
    const changes: unknown[] = []
    const listening = registry.onChange((change) => void changes.push(change?.sessionId))
    registry.registerEventHandler(registration('e', 's'))
    registry.registerEventHandler(registration('e.*', BUS))
    registry.registerCommandHandler({
      type: 'c',
      sessionId: 's',
      handler: () => 1,
      name: 'c',
      priority: 50,
      options: {},
    })
    expect(registry.getHandlerStats()).toEqual({ commandHandlers: 1, eventHandlers: 1, patternHandlers: 1 })
    registry.unregisterSession('s')
    registry.unregisterSession('s')
    expect(registry.getHandlerStats()).toEqual({ commandHandlers: 0, eventHandlers: 0, patternHandlers: 1 })
    expect(changes).toEqual(['s', BUS, 's', 's'])
    listening[Symbol.dispose]()
    registry.registerEventHandler(registration('e', 's'))
    expect(changes).toHaveLength(4)
  })

  it('unregistering what is not there is harmless', () => {
    const registry = createHandlerRegistry()
    const kept = registration('e', BUS)
    registry.registerEventHandler(kept)
    registry.unregister(registration('e', BUS))
    registry.unregister(registration('other', 'nowhere'))
    expect(registry.getEventHandlerEntries('e', BUS)).toEqual([kept])
  })
})
