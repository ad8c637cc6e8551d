import { describe, expect, it } from 'vitest'
import {
  allOf,
  anyOf,
  type Bus,
  createBus,
  createHandlerRegistry,
  defineCommand,
  defineEvent,
  isPriorityHandlerRegistry,
  loggingMiddleware,
  metadataFilter,
  not,
  patternFilter,
  type Plugin,
  type PluginHost,
  rateLimitFilter,
  sessionFilter,
  timingMiddleware,
  typeFilter,
  unwrap,
} from '../src/index.ts'
import { stopOnUncaught } from '../src/node.ts'

const Placed = defineEvent<number>('order.placed')
const Place = defineCommand<number, number>('order.place')
const noop = (): void => undefined
const answering = (answer: unknown): never =>
  ({ '~standard': { version: 1, vendor: 'test', validate: () => answer } }) as never

/** Every call is made as somebody without types would make it. */
type Untyped = any
type Call = (bus: Untyped) => unknown

const open = createBus as Untyped
const event = defineEvent as Untyped
const command = defineCommand as Untyped

/** The call, and what its message says of it: the argument, what was expected, and what came. */
const CALLS: readonly (readonly [name: string, call: Call, ...says: string[]])[] = [
  // createBus
  ['createBus(null)', () => open(null), 'options of createBus', 'an object', 'null'],
  ['createBus(5)', () => open(5), 'options of createBus', 'an object', '5'],
  ['createBus([])', () => open([]), 'options of createBus', 'an object', 'an array'],
  ['createBus with a misspelt option', () => open({ persistance: {} }), "'persistance'", 'persistence'],
  ['createBus with an option named as a method of objects', () => open({ toString: 5 }), "'toString'"],
  ['createBus({ name: 5 })', () => open({ name: 5 }), 'name', 'a string', '5'],
  ['createBus({ name: "" })', () => open({ name: '' }), 'name', 'not empty', "''"],
  ['createBus({ clock: {} })', () => open({ clock: {} }), 'clock.now', 'a function', 'undefined'],
  ['createBus({ clock: null })', () => open({ clock: null }), 'clock.now', 'a function'],
  ['createBus({ logger: {} })', () => open({ logger: {} }), 'logger.debug', 'a function', 'undefined'],
  ['createBus({ logger: null })', () => open({ logger: null }), 'logger.debug', 'a function'],
  ['createBus({ queue: 5 })', () => open({ queue: 5 }), 'queue', 'an object', '5'],
  ['createBus({ queue: null })', () => open({ queue: null }), 'queue', 'an object', 'null'],
  ['createBus with a misspelt option of the queue', () => open({ queue: { capasity: 5 } }), "'capasity'", 'capacity'],
  ['createBus with a text as water mark', () => open({ queue: { highWaterMark: '0.8' } }), 'highWaterMark', "'0.8'"],
  ['createBus({ plugins: null })', () => open({ plugins: null }), 'plugins', 'an array', 'null'],
  ['createBus({ plugins: [5] })', () => open({ plugins: [5] }), 'plugin', 'install', '5'],
  [
    'createBus with a plugin without a name',
    () => open({ plugins: [{ install: noop }] }),
    'name',
    'plugin',
    'undefined',
  ],
  [
    'createBus with a plugin whose options are no lists',
    () => open({ plugins: [{ name: 'p', options: { on: 5 }, install: noop }] }),
    "'p'",
    'on',
    '5',
  ],
  ['createBus({ registry: 5 })', () => open({ registry: 5 }), 'registry', 'an object', '5'],
  [
    'createBus with half a registry',
    () => open({ registry: { contract: 'handler-registry/1' } }),
    'registry.registerCommandHandler',
    'undefined',
  ],
  ['createBus({ persistence: () => {} })', () => open({ persistence: noop }), 'persistence', 'an object', 'a function'],
  ['createBus({ persistence: { events: 5 } })', () => open({ persistence: { events: 5 } }), 'persistence.events', '5'],
  [
    'createBus with half a store',
    () => open({ persistence: { events: { contract: 'event-store/1' } } }),
    'persistence.events.run',
    'undefined',
  ],
  ['createBus({ asyncContext: "no" })', () => open({ asyncContext: 'no' }), 'asyncContext', 'a boolean', "'no'"],
  ['createBus({ concurrency: "4" })', () => open({ concurrency: '4' }), 'concurrency', 'whole number', "'4'"],
  ['createBus({ errorHistoryLimit: NaN })', () => open({ errorHistoryLimit: Number.NaN }), 'errorHistoryLimit', 'NaN'],

  // Definitions and messages
  ['defineEvent(5)', () => event(5), 'type of a definition', '5'],
  ['defineEvent(null)', () => event(null), 'type of a definition', 'null'],
  ['defineEvent(function)', () => event(Placed), 'type of a definition', 'a function'],
  ['defineEvent("v", null)', () => event('v', null), "'v'", 'an object', 'null'],
  ['defineEvent("v", 5)', () => event('v', 5), "'v'", 'an object', '5'],
  ['defineEvent with a schema of 0', () => event('v', { schema: 0 }), 'schema', "'v'", 'Standard Schema'],
  ['defineEvent with a schema of null', () => event('v', { schema: null }), 'schema', "'v'"],
  ['defineEvent with durable: "yes"', () => event('v', { durable: 'yes' }), 'durable', 'a boolean', "'yes'"],
  ['defineEvent with onCrash: "x"', () => event('v', { onCrash: 'x' }), 'onCrash', 'retry, fail', "'x'"],
  ['defineEvent with failureEvent: 1', () => event('v', { failureEvent: 1 }), 'failureEvent', 'a boolean', '1'],
  ['defineEvent with upcast: 5', () => event('v', { upcast: 5 }), 'upcast', 'an object', '5'],
  [
    'defineEvent with an upcast of 5',
    () => event('v', { version: 2, upcast: { 1: 5 } }),
    'version 1',
    'a function',
    '5',
  ],
  ['defineEvent with an upcast by name', () => event('v', { version: 2, upcast: { v1: noop } }), "'v1'"],
  ['defineCommand("v", null)', () => command('v', null), "'v'", 'an object', 'null'],
  ['defineCommand with a resultSchema of {}', () => command('v', { resultSchema: {} }), 'resultSchema', "'v'"],
  ['an event with options null', () => (Placed as Untyped)(1, null), 'order.placed', 'an object', 'null'],
  ['an event with a misspelt option', () => (Placed as Untyped)(1, { session: 'a' }), "'session'", 'sessionId'],
  ['an event of session 5', () => (Placed as Untyped)(1, { sessionId: 5 }), 'sessionId', 'a string', '5'],
  ['an event with metadata 5', () => (Placed as Untyped)(1, { metadata: 5 }), 'metadata', 'an object', '5'],
  ['with(null)', () => (Placed as Untyped).with(null, {}), 'order.placed', 'null'],
  ['with() of another type', () => (Placed as Untyped).with(Place(1), {}), 'order.placed'],
  ['with() and no changes', () => (Placed as Untyped).with(Placed(1)), 'changes', 'an object', 'undefined'],
  ['with() and a misspelt change', () => (Placed as Untyped).with(Placed(1), { playload: 2 }), "'playload'"],

  // Registering
  ['on(null)', (bus) => bus.on(null, noop), 'defineEvent()', 'null'],
  ['on(a function)', (bus) => bus.on(() => 'source', noop), 'defineEvent()', 'not a function'],
  ['on(a command)', (bus) => bus.on(Place, noop), 'defineEvent()', "the command 'order.place'"],
  ['handle(an event)', (bus) => bus.handle(Placed, noop), 'defineCommand()', "the event 'order.placed'"],
  ['on(A, null)', (bus) => bus.on(Placed, null), 'handler', 'a function', 'null'],
  ['on(A, h, null)', (bus) => bus.on(Placed, noop, null), 'options of on', 'an object', 'null'],
  ['on(A, h, 5)', (bus) => bus.on(Placed, noop, 5), 'options of on', 'an object', '5'],
  ['on with a misspelt option', (bus) => bus.on(Placed, noop, { prio: 5 }), "'prio'", 'priority', 'plugin'],
  ['on with signal: 5', (bus) => bus.on(Placed, noop, { signal: 5 }), 'signal', 'an AbortSignal', '5'],
  ['on with a controller', (bus) => bus.on(Placed, noop, { signal: new AbortController() }), 'signal', 'an object'],
  ['on with a signal as options', (bus) => bus.on(Placed, noop, AbortSignal.abort()), 'no option'],
  ['on with name: ""', (bus) => bus.on(Placed, noop, { name: '' }), 'name', "''"],
  ['on with once: "yes"', (bus) => bus.on(Placed, noop, { once: 'yes' }), 'once', 'a boolean', "'yes'"],
  ['on with priority: "1"', (bus) => bus.on(Placed, noop, { priority: '1' }), 'priority', 'a finite number', "'1'"],
  ['onPattern(5)', (bus) => bus.onPattern(5, noop), 'pattern', '5'],
  ['onPattern("a.*", null)', (bus) => bus.onPattern('a.*', null), 'handler', 'a function', 'null'],
  ['onPattern("a.*", h, null)', (bus) => bus.onPattern('a.*', noop, null), 'options', 'an object', 'null'],
  ['handle(A, null)', (bus) => bus.handle(Place, null), 'handler', 'a function', 'null'],
  ['handle(A, h, null)', (bus) => bus.handle(Place, noop, null), 'options of handle', 'an object', 'null'],
  ['handle with priority', (bus) => bus.handle(Place, noop, { priority: 5 }), "'priority'", 'name, signal'],
  ['use(5)', (bus) => bus.use(5), 'middleware', 'an object', '5'],
  ['use(null)', (bus) => bus.use(null), 'middleware', 'an object', 'null'],
  ['use({ event: 5 })', (bus) => bus.use({ event: 5 }), 'middleware.event', 'a function', '5'],
  ['use with a misspelt hook', (bus) => bus.use({ evnt: noop }), 'middleware', 'command, event, publish'],
  ['filter(5)', (bus) => bus.filter(5), 'filter', 'a function', '5'],
  ['observe(5)', (bus) => bus.observe(5), 'observer', 'an object', '5'],
  ['observe({ eventSettled: 5 })', (bus) => bus.observe({ eventSettled: 5 }), 'observer.eventSettled', '5'],
  ['observe with a misspelt notice', (bus) => bus.observe({ eventDone: noop }), 'observer', 'eventSettled'],

  // Publishing
  ['publish(null)', (bus) => bus.publish(null), 'an event', 'null'],
  ['publish("order.placed")', (bus) => bus.publish('order.placed'), 'an event', "'order.placed'"],
  ['publish(a definition)', (bus) => bus.publish(Placed), 'definition', 'call it'],
  ['publish(a function)', (bus) => bus.publish(() => 'source'), 'an event'],
  ['publish of JSON without an id', (bus) => bus.publish({ kind: 'event', type: 'a' }), "'a'", 'id', 'sessionId'],
  ['publish(e, null)', (bus) => bus.publish(Placed(1), null), 'options of publish', 'an object', 'null'],
  ['publish(e, 5)', (bus) => bus.publish(Placed(1), 5), 'options of publish', 'an object', '5'],
  ['publish with a misspelt option', (bus) => bus.publish(Placed(1), { durabel: true }), "'durabel'", 'durable'],
  ['publish with durable: "yes"', (bus) => bus.publish(Placed(1), { durable: 'yes' }), 'durable', "'yes'"],
  ['publish with signal: 5', (bus) => bus.publish(Placed(1), { signal: 5 }), 'signal', 'an AbortSignal', '5'],
  ['publish with expiresInMs: -1', (bus) => bus.publish(Placed(1), { expiresInMs: -1 }), 'expiresInMs', '-1'],
  ['publish with timeoutMs', (bus) => bus.publish(Placed(1), { timeoutMs: 5 }), "'timeoutMs'"],
  ['publishAndWait(e, null)', (bus) => bus.publishAndWait(Placed(1), null), 'publishAndWait', 'an object', 'null'],
  [
    'publishAndWait with timeoutMs: NaN',
    (bus) => bus.publishAndWait(Placed(1), { timeoutMs: Number.NaN }),
    'timeoutMs',
    'NaN',
  ],
  ['publishAndWait with a misspelt option', (bus) => bus.publishAndWait(Placed(1), { timeout: 5 }), "'timeout'"],
  ['schedule(e)', (bus) => bus.schedule(Placed(1)), '{ at }', '{ delayMs }'],
  ['schedule(e, null)', (bus) => bus.schedule(Placed(1), null), '{ at }', '{ delayMs }'],
  ['schedule(e, 5)', (bus) => bus.schedule(Placed(1), 5), 'options of schedule', 'an object', '5'],
  ['schedule with at: "soon"', (bus) => bus.schedule(Placed(1), { at: 'soon' }), 'at', "'soon'"],
  ['schedule with delayMs: Infinity', (bus) => bus.schedule(Placed(1), { delayMs: Infinity }), 'delayMs', 'Infinity'],
  ['schedule with a misspelt option', (bus) => bus.schedule(Placed(1), { delayMs: 1, prio: 1 }), "'prio'"],
  [
    'schedule with durability: "x"',
    (bus) => bus.schedule(Placed(1), { delayMs: 1, durability: 'x' }),
    'durability',
    "'x'",
  ],
  ['execute(null)', (bus) => bus.execute(null), 'a command', 'null'],
  ['execute(e, null)', (bus) => bus.execute(Place(1), null), 'options of execute', 'an object', 'null'],
  ['execute with a misspelt option', (bus) => bus.execute(Place(1), { timeout: 5 }), "'timeout'", 'timeoutMs'],
  ['execute with timeoutMs: "5"', (bus) => bus.execute(Place(1), { timeoutMs: '5' }), 'timeoutMs', "'5'"],
  ['execute with signal: 5', (bus) => bus.execute(Place(1), { signal: 5 }), 'signal', '5'],

  // The rest of the bus
  ['session(5)', (bus) => bus.session(5), 'id of a session', '5'],
  ['getSession(5)', (bus) => bus.getSession(5), 'id of a session', '5'],
  ['session.end(null)', (bus) => bus.session('a').end(null), 'options of end', 'null'],
  ['session.end with a misspelt option', (bus) => bus.session('a').end({ abrt: true }), "'abrt'"],
  ['session.end with schedules: "x"', (bus) => bus.session('a').end({ schedules: 'x' }), 'schedules', 'detach', "'x'"],
  ['session.on(A, h, null)', (bus) => bus.session('a').on(Placed, noop, null), 'options of on', 'null'],
  ['session.publish(null)', (bus) => bus.session('a').publish(null), 'an event', 'null'],
  ['session.execute(null)', (bus) => bus.session('a').execute(null), 'a command', 'null'],
  ['next(A, 5)', (bus) => bus.next(Placed, 5), 'predicate', 'a function', '5'],
  ['next(A, options)', (bus) => bus.next(Placed, {}), 'predicate', 'a function', 'an object'],
  ['next(A, p, null)', (bus) => bus.next(Placed, noop, null), 'options of next', 'null'],
  ['next with signal: 5', (bus) => bus.next(Placed, noop, { signal: 5 }), 'signal', '5'],
  ['next(null)', (bus) => bus.next(null), 'defineEvent()', 'null'],
  ['events(null)', (bus) => bus.events(null), 'defineEvent()', 'null'],
  ['events(A, 5)', (bus) => bus.events(Placed, 5), 'options of events', '5'],
  ['idle(a signal)', (bus) => bus.idle(AbortSignal.abort()), 'idle has no option'],
  ['idle({ signal: {} })', (bus) => bus.idle({ signal: {} }), 'signal', 'an object'],
  ['stop(null)', (bus) => bus.stop(null), 'options of stop', 'null'],
  ['stop(1000)', (bus) => bus.stop(1000), 'options of stop', 'an object', '1000'],
  ['stop({ timeoutMs: -1 })', (bus) => bus.stop({ timeoutMs: -1 }), 'timeoutMs', '-1'],
  ['setErrorHistoryLimit("5")', (bus) => bus.setErrorHistoryLimit('5'), 'error history', "'5'"],

  // Beside the bus
  ['unwrap(5)', () => (unwrap as Untyped)(5), 'execute()', '5'],
  ['unwrap(null)', () => (unwrap as Untyped)(null), 'execute()', 'null'],
  ['unwrap(a promise)', (bus: Bus) => (unwrap as Untyped)(bus.execute(Place(1))), 'await'],
  ['allOf(5)', () => (allOf as Untyped)(5), 'filter', 'a function', '5'],
  ['anyOf(null)', () => (anyOf as Untyped)(null), 'filter', 'a function', 'null'],
  ['not(5)', () => (not as Untyped)(5), 'filter', 'a function', '5'],
  ['metadataFilter(5)', () => (metadataFilter as Untyped)(5), 'key', 'a string', '5'],
  ['patternFilter(5)', () => (patternFilter as Untyped)(5), 'pattern', '5'],
  ['sessionFilter(null)', () => (sessionFilter as Untyped)(null), 'session', 'a string', 'null'],
  ['typeFilter(null)', () => (typeFilter as Untyped)(null), 'defineEvent()', 'null'],
  ['typeFilter("order.placed")', () => (typeFilter as Untyped)('order.placed'), 'defineEvent()', "'order.placed'"],
  ['rateLimitFilter()', () => (rateLimitFilter as Untyped)(), 'options of rateLimitFilter', 'undefined'],
  ['rateLimitFilter({})', () => (rateLimitFilter as Untyped)({}), 'perSecond', 'undefined'],
  ['rateLimitFilter({ perSecond: "5" })', () => (rateLimitFilter as Untyped)({ perSecond: '5' }), 'perSecond', "'5'"],
  [
    'rateLimitFilter with a key of 5',
    () => (rateLimitFilter as Untyped)({ perSecond: 5, key: 5 }),
    'key',
    'a function',
  ],
  ['loggingMiddleware(null)', () => (loggingMiddleware as Untyped)(null), 'loggingMiddleware', 'null'],
  ['loggingMiddleware({ logger: {} })', () => (loggingMiddleware as Untyped)({ logger: {} }), 'logger.debug'],
  ['loggingMiddleware({ level: "warn" })', () => (loggingMiddleware as Untyped)({ level: 'warn' }), 'level', "'warn'"],
  ['timingMiddleware(5)', () => (timingMiddleware as Untyped)(5), 'report', 'a function', '5'],
  ['timingMiddleware(f, {})', () => (timingMiddleware as Untyped)(noop, {}), 'clock.monotonic', 'undefined'],
  ['stopOnUncaught(null)', () => (stopOnUncaught as Untyped)(null), 'bus', 'stop'],
  ['stopOnUncaught(bus, 5)', (bus) => (stopOnUncaught as Untyped)(bus, 5), 'options of stopOnUncaught', '5'],
]

/** What a call fails with, thrown or rejected, or in the result of a command. */
const failureOf = async (call: Call): Promise<unknown> => {
  const bus = createBus({ logger: { debug() {}, info() {}, warn() {}, error() {} } })
  bus.handle(Place, () => 1)
  try {
    const result: Untyped = await call(bus)
    return result?.success === false ? result.error : result
  } catch (error) {
    return error
  }
}

describe('what a public call of core cannot do anything with', () => {
  it.each(CALLS.map(([name, call, ...says]) => ({ name, call, says })))(
    'is refused with INVALID_ARGUMENT that names it: $name',
    async ({ call, says }) => {
      const error: Untyped = await failureOf(call)
      expect(error).toMatchObject({ name: 'BusError', code: 'INVALID_ARGUMENT' })
      for (const text of says) expect(error.message).toContain(text)
      expect(error.message).not.toContain('=>')
    },
  )

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['an empty object', {}],
    ['issues that are no list', { issues: 'bad' }],
    ['a promise of nothing', Promise.resolve()],
  ])('a schema that answers %s is an INVALID_PAYLOAD that says so', async (_what, answer) => {
    const Odd = defineEvent('odd', { schema: answering(answer) })
    const bus = createBus()
    await expect(bus.publish(Odd(1 as never))).rejects.toMatchObject({
      name: 'BusError',
      code: 'INVALID_PAYLOAD',
      message: expect.stringContaining('its schema must answer'),
    })
  })

  it('issues that are no issues are shown as well as they can be', async () => {
    const Odd = defineEvent('odd', {
      schema: answering({ issues: [null, { message: 5, path: [null, 'a'] }, { path: 5 }] }),
    })
    await expect(createBus().publish(Odd(1 as never))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  })

  it('a result schema that answers nothing is an INVALID_RESULT', async () => {
    const Odd = defineCommand('odd.command', { resultSchema: answering(undefined) })
    const bus = createBus()
    bus.handle(Odd, () => 1 as never)
    const result = await bus.execute(Odd())
    expect(result).toMatchObject({ success: false, error: { code: 'INVALID_RESULT' } })
  })

  it('the guards of registries answer false', () => {
    for (const given of [null, undefined, 5, '', {}]) expect(isPriorityHandlerRegistry(given as never)).toBe(false)
  })

  it.each(['onStart', 'onStop', 'onCall', 'onFailure', 'onBuried', 'onHealth', 'screen'] as const)(
    'a plugin that gives 5 to %s of its host is not installed',
    (verb) => {
      const plugin: Plugin = { name: 'p', install: (host) => void (host[verb] as Untyped)(5) }
      const cause = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(verb) })
      expect(() => createBus({ plugins: [plugin] })).toThrow(expect.objectContaining({ code: 'PLUGIN_FAILED', cause }))
    },
  )
})

describe('options that plugins add (R-REG-2)', () => {
  const install = (_host: PluginHost): void => undefined
  const options = { on: ['shard'], handle: ['shard'], publish: ['tenant'], execute: ['tenant'] }

  it('are taken where a plugin says that they are its own', async () => {
    const bus: Untyped = createBus({
      plugins: [
        { name: 'shards', options, install },
        { name: 'other', options: {}, install },
      ],
    })
    bus.on(Placed, noop, { shard: 1 })
    bus.handle(Place, () => 1, { shard: 1 })
    await bus.publish(Placed(1), { tenant: 'a' })
    expect(await bus.execute(Place(1), { tenant: 'a' })).toMatchObject({ success: true })
    expect(() => bus.on(Placed, noop, { tenant: 'a' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('are taken on a bus with a plugin that does not say which are its own', async () => {
    const bus: Untyped = createBus({
      plugins: [
        { name: 'shards', options, install },
        { name: 'silent', install },
      ],
    })
    bus.on(Placed, noop, { anything: 1 })
    await bus.publish(Placed(1), { anything: 1 })
    expect(await bus.publish(Placed(1), { anything: 1 })).toMatchObject({ status: 'accepted' })
  })

  it('of handlers are taken by a registry of somebody else, which may read them', () => {
    const bus: Untyped = createBus({ registry: createHandlerRegistry() })
    expect(bus.on(Placed, noop, { anything: 1 }).name).toBe('noop')
    expect(() => createBus({ registry: createHandlerRegistry() }).observe(5 as never)).toThrow('an object')
  })

  it('of definitions are taken everywhere: a definition is of no bus', () => {
    expect(event('v', { retry: { maxRetries: 1 } }).options).toEqual({ retry: { maxRetries: 1 } })
  })
})

describe('a promise with a `then` of its own', () => {
  const twice = (calls: { count: number }): Promise<void> => {
    const promise = Promise.resolve()
    const then = (onFulfilled: () => void): void => {
      calls.count++
      onFulfilled()
      onFulfilled()
    }
    // oxlint-disable-next-line no-thenable -- that is what it is about
    return Object.defineProperty(promise, 'then', { value: then })
  }

  it('that calls back twice is believed once: the next handler of the event is waited for', async () => {
    const bus = createBus()
    const gate = Promise.withResolvers<void>()
    const ran: string[] = []
    bus.on(Placed, () => twice({ count: 0 }), { priority: 0, name: 'odd' })
    bus.on(
      Placed,
      async () => {
        ran.push('slow')
        await gate.promise
        ran.push('slow ended')
      },
      { priority: 1, name: 'slow' },
    )
    bus.on(Placed, () => void ran.push('last'), { priority: 2, name: 'last' })
    await bus.start()
    const outcome = bus.publishAndWait(Placed(1))
    await new Promise((resolve) => setImmediate(resolve))
    expect(ran).toEqual(['slow'])
    gate.resolve()
    await outcome
    expect(ran).toEqual(['slow', 'slow ended', 'last'])
    await bus.stop()
  })

  it('is waited for as await does: its own then is not called', async () => {
    const bus = createBus()
    const calls = { count: 0 }
    bus.handle(Place, () => twice(calls) as never)
    expect(await bus.execute(Place(1))).toMatchObject({ success: true, attempts: 1 })
    expect(calls.count).toBe(0)
  })
})
