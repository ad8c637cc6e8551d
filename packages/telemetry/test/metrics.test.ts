import {
  type Bus,
  type BusOptions,
  createBus,
  defineCommand,
  defineEvent,
  type EventContext,
  HandlerPriority,
  type Plugin,
  type PluginHost,
  type Signals,
} from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { resilience } from '@buslane/resilience'
import { afterEach, describe, expect, it } from 'vitest'
import { telemetry, type TelemetryOptions } from '../src/index.ts'
import { asTable, byName, readTable } from './support/metric-table.ts'
import { fail, failingUntil } from './support/failing.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { memoryMetrics } from './support/sdk.ts'
import { VirtualClock } from '@buslane/testkit'

const Ordered = defineEvent<{ n: number }>('order.placed')
const Paid = defineEvent<{ n: number }>('order.paid', { durable: true })
const Charge = defineCommand<{ n: number }, number>('order.charge')

const collected = memoryMetrics

let metrics = collected()
let bus: Bus
const closing: (() => Promise<unknown>)[] = []

const measured = (options: TelemetryOptions = {}, busOptions: BusOptions = {}): Bus => {
  metrics = collected()
  const { meterProvider } = metrics
  const plugins = [telemetry({ meterProvider, ...options }), ...(busOptions.plugins ?? [])]
  bus = createBus({ name: 'desk', logger: recordingLogger(), ...busOptions, plugins })
  closing.push(() => bus.stop({ timeoutMs: 0 }), metrics.shutdown)
  return bus
}

/** A plugin that says what it is told to. */
const reporting = (): { readonly plugin: Plugin; readonly signals: () => Signals } => {
  const hosts: PluginHost[] = []
  return { plugin: { name: 'reporting', install: (host) => void hosts.push(host) }, signals: () => hosts[0]!.signals }
}

const once = { maxRetries: 1, initialDelayMs: 0 }

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const valueOf = async (name: string, attributes: object = {}): Promise<unknown> => {
  const points = await metrics.points(name)
  const found = points.filter((point) =>
    Object.entries(attributes).every(([key, value]) => (point.attributes as Record<string, unknown>)[key] === value),
  )
  return found.length === 1 ? found[0]!.value : found
}

describe('the table of metrics', () => {
  it('R-OBS-1 has exactly what the SDK collects: names, types, units and labels', async () => {
    const { plugin, signals } = reporting()
    const plugins = [plugin, resilience({ retry: once })]
    measured({ eventLoopDelay: true }, { persistence: memoryPersistence(), plugins })
    bus.on(Ordered, () => undefined, { name: 'good' })
    bus.on(Ordered, fail, { name: 'bad' })
    bus.on(Paid, fail, { name: 'book' })
    bus.handle(Charge, fail, { circuitBreaker: { consecutive: 1 } })
    bus.use({
      publish: ({ payload }, next) => ((payload as { n: number }).n < 0 ? fail() : next()),
    })
    await bus.start()
    await bus.publishAndWait(Ordered({ n: 1 }, { sessionId: 'chat' }))
    await bus.publishAndWait(Paid({ n: 1 }))
    await bus.execute(Charge({ n: 1 }))
    await expect(bus.publish(Ordered({ n: -1 }))).rejects.toThrow('no')
    // What takes long to bring about, by the names that resilience uses; an id among the attributes must not come through.
    const about = { type: 'order.paid', sessionId: 'chat' }
    signals().report('buslane.dead_letters.dropped', 1)
    signals().report('buslane.dead_letters.unsaved', 1)
    signals().report('buslane.handler.ran_away', 1, { ...about, handler: 'book' })
    signals().report('buslane.intake.paused', 1, about)
    expect(asTable(await metrics.scrape()).toSorted(byName)).toEqual(readTable().toSorted(byName))
  })

  it('R-OBS-1 has what there is without a store or another plugin, and nothing else', async () => {
    measured()
    const names = asTable(await metrics.scrape()).map(({ name }) => name)
    expect(names.filter((name) => /store|dead_letters|circuit|intake|runaways|event_loop/.test(name))).toEqual([])
    expect(names).toContain('buslane.queue.size')
  })
})

describe('with resilience installed', () => {
  it('R-REG-2 its dead letters, circuits and retries are there, with no configuration', async () => {
    measured({}, { plugins: [resilience({ retry: once, circuitBreaker: { consecutive: 2 } })] })
    bus.on(Ordered, fail, { name: 'bad' })
    await bus.start()
    await bus.publishAndWait(Ordered({ n: 1 }))
    expect(await valueOf('buslane.retries')).toBe(1)
    expect(await valueOf('buslane.dead_letters', { 'messaging.destination.name': 'order.placed' })).toBe(1)
    expect(await valueOf('buslane.dead_letters.waiting', { 'buslane.dead_letter.place': 'memory' })).toBe(1)
    expect(await valueOf('buslane.circuit.state')).toBe(2)
    expect(await valueOf('buslane.circuits.open')).toBe(1)
  })

  it('R-REG-2 so is a paused intake, until it goes on', async () => {
    const clock = new VirtualClock()
    const intakePause = { failureRate: 0.5, minimumCalls: 1, windowMs: 60_000, pauseForMs: 5000 }
    const plugins = [resilience({ retry: false, intakePause })]
    measured({ storeCounts: false }, { clock, persistence: memoryPersistence({ clock }), plugins })
    let handle: () => void = fail
    bus.on(Paid, () => handle(), { name: 'book' })
    const started = bus.start()
    await clock.advance(0)
    await started
    void bus.publish(Paid({ n: 1 }))
    await clock.advance(100)
    expect(await valueOf('buslane.intake.paused', { 'messaging.destination.name': 'order.paid' })).toBe(1)
    handle = () => undefined
    await clock.advance(60_000)
    expect(await valueOf('buslane.intake.paused')).toBe(0)
    const stopped = bus.stop()
    await clock.advance(10_000)
    await stopped
  })
})

describe('counters', () => {
  it('R-OBS-1 count every event that is sent and consumed', async () => {
    measured()
    bus.on(Ordered, () => undefined)
    for (let n = 0; n < 3; n++) await bus.publish(Ordered({ n }))
    await bus.start()
    await bus.idle()
    expect(await metrics.points('messaging.client.sent.messages')).toEqual([
      {
        attributes: {
          'messaging.system': 'buslane',
          'messaging.operation.name': 'send',
          'messaging.destination.name': 'order.placed',
          'buslane.bus': 'desk',
        },
        value: 3,
      },
    ])
    expect(await valueOf('messaging.client.consumed.messages')).toBe(3)
    expect(await valueOf('buslane.event.critical_time')).toMatchObject({ count: 3 })
  })

  it('R-OBS-1 count what the strategy drops, under its name', async () => {
    measured({}, { queue: { capacity: 1, strategy: 'drop-newest' } })
    for (let n = 0; n < 3; n++) await bus.publish(Ordered({ n }))
    expect(await valueOf('buslane.queue.dropped', { 'buslane.queue.strategy': 'drop-newest' })).toBe(2)
    expect(await valueOf('messaging.client.sent.messages')).toBe(1)
  })

  it('R-OBS-1 count retries, by type and handler', async () => {
    measured({}, { plugins: [resilience({ retry: once })] })
    bus.on(Ordered, fail, { name: 'bad' })
    await bus.start()
    await bus.publishAndWait(Ordered({ n: 1 }))
    expect(await metrics.points('buslane.retries')).toEqual([
      {
        attributes: {
          'messaging.destination.name': 'order.placed',
          'buslane.handler.name': 'bad',
          'buslane.bus': 'desk',
        },
        value: 1,
      },
    ])
    expect(await valueOf('buslane.handlers.failed')).toBe(1)
  })
})

describe('durations', () => {
  it('R-OBS-1 are in seconds, by the clock of the bus', async () => {
    const clock = new VirtualClock()
    measured({}, { clock })
    bus.on(Ordered, () => clock.elapse(250), { name: 'slow', priority: HandlerPriority.LOW })
    bus.handle(Charge, () => (clock.elapse(500), 1))
    void bus.publish(Ordered({ n: 1 }))
    clock.elapse(1000)
    await bus.start()
    await bus.idle()
    await bus.execute(Charge({ n: 1 }))
    expect(await valueOf('messaging.process.duration')).toMatchObject({ count: 1, sum: 0.25 })
    expect(await valueOf('buslane.event.critical_time')).toMatchObject({ count: 1, sum: 1.25 })
    expect(await valueOf('buslane.command.duration')).toMatchObject({ count: 1, sum: 0.5 })
    expect(await valueOf('buslane.handler.duration', { 'buslane.handler.priority': 90 })).toMatchObject({ sum: 0.25 })
  })

  it('R-OBS-1 the critical time of an event that goes back to the store is recorded once it is handled', async () => {
    const clock = new VirtualClock()
    const later: Plugin = {
      name: 'later',
      install: (host) => host.onFailure(() => ({ action: 'retry', delayMs: 60_000 })),
    }
    measured({ storeCounts: false }, { clock, persistence: memoryPersistence({ clock }), plugins: [later] })
    bus.on(Paid, failingUntil(2), { name: 'book' })
    const started = bus.start()
    await clock.advance(0)
    await started
    void bus.publish(Paid({ n: 1 }))
    await clock.advance(1000)
    expect(await valueOf('messaging.process.duration')).toMatchObject({ count: 1 })
    expect(await valueOf('buslane.event.critical_time')).toEqual([])
    await clock.advance(70_000)
    expect(await valueOf('buslane.event.critical_time')).toMatchObject({ count: 1 })
    const stopped = bus.stop()
    await clock.advance(10_000)
    await stopped
  })
})

describe('gauges', () => {
  it('R-Q-5 are read when asked, so they are never stale', async () => {
    measured()
    bus.session('a')
    await bus.publish(Ordered({ n: 1 }))
    expect(await valueOf('buslane.queue.buffered')).toBe(1)
    expect(await valueOf('buslane.queue.size', { 'buslane.event.kind': 'memory' })).toBe(1)
    bus.session('b')
    expect(await valueOf('buslane.sessions.active')).toBe(2)
  })

  it('R-OBS-1 are gone once the bus has stopped, and back when it starts again', async () => {
    measured()
    await bus.start()
    await bus.stop()
    expect(await valueOf('buslane.sessions.active')).toEqual([])
    await bus.start()
    expect(await valueOf('buslane.sessions.active')).toBe(0)
  })

  it('R-STOP-2 let go of a bus when it stops, whether anybody asks again or not', async () => {
    const { meterProvider, shutdown } = collected()
    const meter = meterProvider.getMeter('x')
    const removed: unknown[] = []
    const watched = Object.assign(Object.create(meter) as typeof meter, {
      removeBatchObservableCallback: (callback: unknown) => void removed.push(callback),
    })
    const stopping = createBus({ plugins: [telemetry({ meterProvider: { getMeter: () => watched } })] })
    await stopping.start()
    await stopping.stop()
    expect(removed).toHaveLength(2)
    await shutdown()
  })

  it('R-OBS-1 those of the store show what is in it', async () => {
    measured({}, { persistence: memoryPersistence() })
    bus.on(Paid, fail, { name: 'book' })
    await bus.start()
    await bus.publishAndWait(Paid({ n: 1 }))
    await bus.schedule(Paid({ n: 2 }), { delayMs: 60_000 })
    expect(await valueOf('buslane.store.up')).toBe(1)
    expect(await valueOf('buslane.store.events', { 'buslane.store.state': 'scheduled' })).toBe(1)
    expect(await valueOf('buslane.dead_letters.waiting', { 'buslane.dead_letter.reason': 'failed' })).toBe(1)
    expect(await valueOf('buslane.store.operations', { 'buslane.store.operation': 'dead' })).toBe(1)
  })

  it('R-OBS-1 a store that does not answer holds nothing else up', async () => {
    const persistence = memoryPersistence()
    const inspect = { ...persistence.inspect, counts: () => new Promise<never>(() => undefined) }
    measured({ storeCountsTimeoutMs: 1 }, { persistence: { ...persistence, inspect } })
    await bus.start()
    expect(await valueOf('buslane.store.up')).toBe(1)
    expect(await valueOf('buslane.store.workers')).toEqual([])
  })
})

describe('labels', () => {
  it('R-OBS-1 never hold a session, and are bounded in number', async () => {
    measured({ maxTypes: 2 })
    bus.onPattern('made.*', () => undefined)
    await bus.start()
    for (let n = 0; n < 5; n++)
      await bus.publishAndWait(defineEvent(`made.${n}`)(undefined, { sessionId: `chat-${n}` }))
    const points = await metrics.points('messaging.client.consumed.messages')
    const types = points.map(({ attributes }) => (attributes as Record<string, unknown>)['messaging.destination.name'])
    expect(types).toEqual(['made.0', 'made.1', '_OTHER'])
    expect(JSON.stringify(await metrics.scrape())).not.toContain('chat-')
  })

  it('R-SYS-1 leave out the events of the bus itself, and what `measure` leaves out', async () => {
    measured({ measure: ({ type }) => type !== 'order.placed' })
    bus.onPattern('**', () => undefined)
    await bus.start()
    bus.session('chat')
    await bus.publishAndWait(Ordered({ n: 1 }))
    await bus.publishAndWait(defineEvent('other')())
    const points = await metrics.points('messaging.process.duration')
    const types = points.map(({ attributes }) => (attributes as Record<string, unknown>)['messaging.destination.name'])
    expect(types).toEqual(['other'])
  })

  it('R-STOP-2 tell the buses of one process apart', async () => {
    const { meterProvider, points, shutdown } = collected()
    const plugin = telemetry({ meterProvider })
    const buses = ['a', 'b'].map((name) => createBus({ name, plugins: [plugin] }))
    await buses[0]!.publish(Ordered({ n: 1 }))
    const sizes = (await points('buslane.queue.buffered')).map(({ attributes, value }) => [attributes, value])
    expect(sizes).toEqual([
      [{ 'buslane.bus': 'a' }, 1],
      [{ 'buslane.bus': 'b' }, 0],
    ])
    await shutdown()
  })
})

describe('leases', () => {
  it('R-DUR-3 counts those that were lost to others', async () => {
    const storeClock = new VirtualClock()
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock: storeClock })
    measured({}, { persistence, clock })
    const untilAborted = (_event: unknown, { signal }: EventContext): Promise<never> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    bus.on(Paid, untilAborted, { name: 'book' })
    await bus.start()
    await bus.publish(Paid({ n: 1 }))
    await clock.advance(100)
    expect(await valueOf('buslane.store.leases')).toBe(1)
    await storeClock.advance(10_000)
    await persistence.events.sweep()
    await clock.advance(5000)
    expect(await valueOf('buslane.store.leases_lost')).toBe(1)
    const stopped = bus.stop({ timeoutMs: 0 })
    await clock.advance(100)
    await stopped
  })

  it('R-DUR-5 counts those of dead processes that were given back here', async () => {
    const clock = new VirtualClock()
    const persistence = memoryPersistence({ clock })
    measured({}, { persistence, clock })
    await bus.start()
    await bus.publish(Paid({ n: 1 }))
    const { worker } = await persistence.events.join({ name: 'about to die' })
    const types = [{ type: 'order.paid', version: 1, handlers: ['book'] }]
    await persistence.events.claim({ worker, types, limit: 1, start: 1, laneLimit: 1, serialLimit: 1 })
    await clock.advance(10_000)
    expect(await valueOf('buslane.store.takeovers')).toBe(1)
  })
})
