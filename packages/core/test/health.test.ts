import { describe, expect, it } from 'vitest'
import { type BusOptions, createBus, defineCommand, defineEvent, SessionStarted } from '../src/index.ts'
import { deferred } from './support/deferred.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Job = defineEvent<number>('job')
const Do = defineCommand<undefined, void>('do')

const made = (options: BusOptions = {}) => {
  const clock = new VirtualClock()
  const gate = deferred()
  const bus = createBus({ clock, logger: recordingLogger(), ...options })
  bus.on(Job, () => gate.promise)
  return { bus, clock, gate }
}

describe('health', () => {
  it('is healthy while all is well', async () => {
    const { bus, gate } = made()
    expect(bus.health()).toEqual({ status: 'healthy', state: 'created', warnings: [] })
    await bus.start()
    gate.resolve()
    await bus.publishAndWait(Job(1))
    expect(bus.health()).toEqual({ status: 'healthy', state: 'running', warnings: [] })
    await bus.stop()
    expect(bus.health()).toEqual({ status: 'healthy', state: 'stopped', warnings: [] })
  })

  it('NOT_STARTED: events wait for start', async () => {
    const { bus } = made()
    await bus.publish(Job(1))
    expect(bus.health()).toMatchObject({
      status: 'degraded',
      warnings: [{ code: 'NOT_STARTED', message: expect.stringMatching(/1 .*start\(\)/) }],
    })
  })

  it('BACKPRESSURE: between the water marks, from the high to the low one', async () => {
    const { bus, gate } = made({ queue: { capacity: 10 } })
    await bus.start()
    void bus.publish(Job(0))
    await settle()
    const codes = (): string[] => bus.health().warnings.map(({ code }) => code)
    for (let n = 0; n < 7; n++) await bus.publish(Job(n))
    expect(codes()).toEqual([])
    await bus.publish(Job(8))
    expect(codes()).toEqual(['BACKPRESSURE'])
    gate.resolve()
    await bus.idle()
    expect(codes()).toEqual([])
  })

  it('R-LANE-1 BUS_LANE_WAITING: events without a session wait for each other while slots are free', async () => {
    const { bus, clock, gate } = made({ concurrency: 5 })
    await bus.start()
    await bus.publish(Job(1))
    await bus.publish(Job(2))
    await clock.advance(1000)
    expect(bus.health().warnings).toEqual([])
    await clock.advance(1)
    expect(bus.health()).toMatchObject({
      status: 'degraded',
      warnings: [{ code: 'BUS_LANE_WAITING', message: expect.stringMatching(/4 slots.*lane:/) }],
    })
    gate.resolve()
    await bus.idle()
    expect(bus.health().status).toBe('healthy')
  })

  it('R-LANE-1 no BUS_LANE_WAITING when no slot is free, or when a session waits', async () => {
    const full = made({ concurrency: 1 })
    const chatty = made()
    await Promise.all([full.bus.start(), chatty.bus.start()])
    for (const n of [1, 2]) {
      await full.bus.publish(Job(n))
      await chatty.bus.publish(Job(n, { sessionId: 'chat' }))
    }
    await full.clock.advance(60_000)
    await chatty.clock.advance(60_000)
    expect(full.bus.health().warnings).toEqual([])
    expect(chatty.bus.health().warnings).toEqual([])
  })

  it('R-LANE-1 an event that was due long ago does not raise BUS_LANE_WAITING before it has waited', async () => {
    const { bus, clock } = made()
    await bus.start()
    await bus.publish(Job(1))
    await bus.schedule(Job(2), { at: clock.now() - 86_400_000 })
    await clock.advance(1)
    expect(bus.stats().waiting).toBe(1)
    expect(bus.health().warnings).toEqual([])
    expect(bus.stats().oldestWaitingMs).toBeLessThanOrEqual(1)
  })
})

describe('stats', () => {
  it('are all there on a fresh bus, and zero', () => {
    expect(createBus({ name: 'desk', queue: { capacity: 7 }, concurrency: 3 }).stats()).toEqual({
      name: 'desk',
      state: 'created',
      offered: 0,
      settled: 0,
      running: 0,
      waiting: 0,
      blocked: 0,
      dropped: 0,
      rejected: 0,
      filtered: 0,
      leftAtStop: 0,
      queueSize: 0,
      capacity: 7,
      strategy: 'wait',
      buffered: 0,
      oldestWaitingMs: 0,
      system: { waiting: 0, running: 0, settled: 0 },
      scheduled: 0,
      lanes: { active: 0, running: 0, concurrency: 3 },
      commands: { running: 0, succeeded: 0, failed: 0 },
      sessions: 0,
      handlers: { commandHandlers: 0, eventHandlers: 0, patternHandlers: 0 },
      handlerFailures: 0,
      observerErrors: 0,
      unheardRefusals: 0,
      backpressure: 'normal',
    })
  })

  it('say how long the oldest event has waited', async () => {
    const { bus, clock } = made()
    await bus.publish(Job(1))
    await clock.advance(30)
    await bus.publish(Job(2), { priority: 0 })
    await clock.advance(12)
    expect(bus.stats().oldestWaitingMs).toBe(42)
  })

  it('count lanes, handlers, sessions and what runs', async () => {
    const { bus, gate } = made()
    bus.on(SessionStarted, () => gate.promise)
    bus.onPattern('**', () => undefined)
    bus.handle(Do, () => gate.promise)
    await bus.start()
    const session = bus.session('chat')
    session.on(Job, () => undefined)
    await bus.publish(Job(1))
    await bus.publish(Job(2))
    await bus.publish(Job(3, { sessionId: 'other' }))
    void bus.execute(Do())
    await settle()
    expect(bus.stats()).toMatchObject({
      running: 2,
      waiting: 1,
      queueSize: 1,
      system: { running: 1 },
      lanes: { active: 3, running: 3 },
      commands: { running: 1 },
      sessions: 1,
      handlers: { commandHandlers: 1, eventHandlers: 3, patternHandlers: 1 },
    })
    gate.resolve()
    await bus.idle()
    expect(bus.stats()).toMatchObject({ running: 0, waiting: 0, lanes: { active: 0, running: 0 } })
  })

  it('fault 15: are plain numbers: what they cost does not grow with what happened', async () => {
    const { bus, gate } = made()
    gate.resolve()
    await bus.start()
    const size = (): number => JSON.stringify(bus.stats()).length
    await bus.publishAndWait(Job(1))
    const before = size()
    for (let n = 0; n < 5000; n++) void bus.publish(Job(n))
    await bus.idle()
    expect(size()).toBeLessThan(before + 50)
  })
})
