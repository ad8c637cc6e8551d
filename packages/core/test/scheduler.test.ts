import { afterEach, describe, expect, it } from 'vitest'
import { type Bus, createBus, defineEvent } from '../src/index.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Due = defineEvent<string>('due')
const Kept = defineEvent<string>('kept', { durable: true })

const running = async (wall?: number): Promise<{ bus: Bus; clock: VirtualClock; fired: string[] }> => {
  const clock = new VirtualClock(wall)
  const bus = createBus({ clock, logger: recordingLogger() })
  const fired: string[] = []
  bus.on(Due, ({ payload }) => void fired.push(`${payload} at ${clock.monotonic()}`))
  await bus.start()
  return { bus, clock, fired }
}

const DAY = 86_400_000

describe('when', () => {
  it('R-SCH-1 a delayed event is never early and not late', async () => {
    const { bus, clock, fired } = await running()
    await bus.schedule(Due('a'), { delayMs: 100 })
    await clock.advance(99.9)
    expect(fired).toEqual([])
    await clock.advance(0.2)
    expect(fired).toEqual(['a at 100'])
  })

  it('R-SCH-1 asks again when the clock fires early', async () => {
    const clock = new VirtualClock()
    const setTimer = clock.setTimer.bind(clock)
    clock.setTimer = (callback, delayMs) => setTimer(callback, delayMs * 0.9)
    const bus = createBus({ clock })
    const fired: number[] = []
    bus.on(Due, () => void fired.push(clock.monotonic()))
    await bus.start()
    await bus.schedule(Due('a'), { delayMs: 1000 })
    await clock.advance(999)
    expect(fired).toEqual([])
    await clock.advance(2)
    expect(fired).toHaveLength(1)
    expect(fired[0]).toBeGreaterThanOrEqual(1000)
  })

  it('R-SCH-1 handles what is due in due order, whatever order it was scheduled in', async () => {
    const { bus, clock, fired } = await running()
    for (const delayMs of [30, 10, 20, 10]) await bus.schedule(Due(`${delayMs}`), { delayMs })
    await clock.advance(100)
    expect(fired).toEqual(['10 at 10', '10 at 10', '20 at 20', '30 at 30'])
  })

  it('R-SCH-1 handles delays and points in time together, in due order', async () => {
    const { bus, clock } = await running()
    const order: string[] = []
    bus.on(Due, ({ payload }) => void order.push(payload))
    await bus.schedule(Due('in 30'), { delayMs: 30 })
    await bus.schedule(Due('at 20'), { at: clock.now() + 20 })
    await bus.schedule(Due('in 10'), { delayMs: 10 })
    await bus.schedule(Due('at 40'), { at: new Date(clock.now() + 40) })
    clock.elapse(50)
    await clock.advance(0)
    expect(order).toEqual(['in 10', 'at 20', 'in 30', 'at 40'])
  })

  it('R-PRI-5 a due event takes the place that its due time gives it, not the time it was taken in', async () => {
    const { bus, clock } = await running()
    const order: string[] = []
    bus.on(Due, ({ payload }) => void order.push(payload))
    await bus.schedule(Due('due first'), { delayMs: 10 })
    clock.elapse(20)
    void bus.publish(Due('published later'))
    await clock.advance(0)
    expect(order.toSorted()).toEqual(['due first', 'published later'])
    await bus.schedule(Due('urgent'), { delayMs: 10, priority: 0 })
    await bus.schedule(Due('early'), { delayMs: 5 })
    clock.elapse(20)
    await clock.advance(0)
    expect(order.slice(2)).toEqual(['urgent', 'early'])
  })

  it('C-33 R-SCH-1 delays beyond 2^31-1 ms work', async () => {
    const { bus, clock, fired } = await running()
    const delayMs = 40 * DAY
    await bus.schedule(Due('a'), { delayMs })
    await clock.advance(delayMs - 1)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toEqual([`a at ${delayMs}`])
  })

  it('C-33 R-SCH-1 never asks the clock for more than 2^31-1 ms', async () => {
    const clock = new VirtualClock()
    const delays: number[] = []
    const setTimer = clock.setTimer.bind(clock)
    clock.setTimer = (callback, delayMs) => {
      delays.push(delayMs)
      return setTimer(callback, delayMs)
    }
    for (let n = 0; n < 50; n++) {
      clock.elapse(0.1 + n / 7)
      await createBus({ clock }).schedule(Due('a'), { delayMs: 2 ** 33 })
    }
    expect(delays).toHaveLength(50)
    expect(Math.max(...delays)).toBeLessThanOrEqual(2 ** 31 - 1)
    expect(delays.every(Number.isInteger)).toBe(true)
  })

  it.each([
    ['yesterday', (now: number) => ({ at: now - DAY })],
    ['now', (now: number) => ({ at: new Date(now) })],
    ['no delay', () => ({ delayMs: 0 })],
  ])('R-SCH-1 %s is due at once', async (_name, when) => {
    const { bus, clock, fired } = await running()
    await bus.schedule(Due('a'), when(clock.now()))
    await clock.advance(0)
    expect(fired).toEqual(['a at 0'])
  })

  it('an event with a time in the past has waited since it was accepted, not since its time', async () => {
    const { bus, clock } = await running()
    const waited: number[] = []
    bus.observe({ eventStarted: (_event, { waitedMs }) => void waited.push(waitedMs) })
    await bus.schedule(Due('a'), { at: clock.now() - DAY })
    await clock.advance(0)
    expect(waited).toEqual([0])
  })

  it('C-26 fault 10: R-SCH-1 future events cost one timer and no wake-ups', async () => {
    const { bus, clock, fired } = await running()
    for (let n = 0; n < 10_000; n++) await bus.schedule(Due(`${n}`), { delayMs: 1_000_000 + n })
    expect(clock.pendingTimers).toBe(1)
    expect(clock.timersSet).toBe(1)
    await clock.advance(900_000)
    expect(clock.timersSet).toBe(1)
    expect(bus.stats()).toMatchObject({ scheduled: 10_000, waiting: 0, offered: 0 })
    expect(fired).toEqual([])
    await bus.stop()
  })

  it('C-27 fault 10: future events are not in the queue, so they do not keep idle waiting', async () => {
    const { bus } = await running()
    await bus.schedule(Due('a'), { delayMs: 10_000 })
    await bus.idle()
    expect(bus.stats().queueSize).toBe(0)
  })

  it('answers with the id, the due time and where it is kept', async () => {
    const { bus, clock } = await running()
    const event = Due('a')
    const [delayed, dated] = [
      await bus.schedule(event, { delayMs: 250 }),
      await bus.schedule(Due('b'), { at: new Date(clock.now() + 7) }),
    ]
    expect(delayed).toMatchObject({ id: event.id, status: 'accepted', durability: 'memory', dueAt: clock.now() + 250 })
    expect(dated.dueAt).toBe(clock.now() + 7)
  })

  it('waits for start when it is due before', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock })
    const fired: string[] = []
    bus.on(Due, ({ payload }) => void fired.push(payload))
    await bus.schedule(Due('second'), { delayMs: 20 })
    await bus.schedule(Due('first'), { delayMs: 10 })
    await clock.advance(100)
    expect(fired).toEqual([])
    expect(bus.stats()).toMatchObject({ buffered: 2, scheduled: 0 })
    await bus.start()
    await bus.idle()
    expect(fired).toEqual(['first', 'second'])
  })
})

describe('clocks', () => {
  const zone = process.env['TZ']
  afterEach(() => {
    // Assigning undefined would set the text 'undefined'.
    delete process.env['TZ']
    Object.assign(process.env, zone === undefined ? {} : { TZ: zone })
  })

  it('C-31 R-SCH-2 a delay does not notice when the wall clock steps', async () => {
    const { bus, clock, fired } = await running()
    await bus.schedule(Due('a'), { delayMs: 1000 })
    clock.stepWall(DAY)
    await clock.advance(999)
    expect(fired).toEqual([])
    clock.stepWall(-3 * DAY)
    await clock.advance(1)
    expect(fired).toEqual(['a at 1000'])
  })

  it('R-SCH-2 a point in time is not early when the wall clock is set back', async () => {
    const { bus, clock, fired } = await running()
    await bus.schedule(Due('a'), { at: clock.now() + 5000 })
    clock.stepWall(-60_000)
    await clock.advance(64_999)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toEqual(['a at 65000'])
  })

  it('R-SCH-2 a point in time comes sooner when the wall clock is set forward, within ten seconds', async () => {
    const { bus, clock, fired } = await running()
    await bus.schedule(Due('a'), { at: clock.now() + DAY })
    await clock.advance(3000)
    clock.stepWall(DAY)
    await clock.advance(10_000)
    expect(fired).toHaveLength(1)
  })

  it('fault 13: R-SCH-2 a point in time is an instant: the zone of the process, and its summer time, play no part', async () => {
    // Clocks go forward at 01:00 UTC: in Berlin there is no 02:30 that night.
    const before = Date.UTC(2026, 2, 29, 0, 30)
    process.env['TZ'] = 'Europe/Berlin'
    const { bus, clock, fired } = await running(before)
    const at = new Date(Date.UTC(2026, 2, 29, 1, 30))
    process.env['TZ'] = 'Pacific/Auckland'
    const { dueAt } = await bus.schedule(Due('a'), { at })
    expect(dueAt).toBe(before + 3_600_000)
    await clock.advance(3_599_999)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toHaveLength(1)
  })
})

describe('cancel', () => {
  it('R-SCH-5 before it is due wins: the event never runs, and its timer is gone', async () => {
    const { bus, clock, fired } = await running()
    const scheduled = await bus.schedule(Due('a'), { delayMs: 100 })
    await clock.advance(99)
    await expect(scheduled.cancel()).resolves.toBe('cancelled')
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(1000)
    expect(fired).toEqual([])
    expect(bus.stats()).toMatchObject({ scheduled: 0, offered: 0 })
  })

  it('R-SCH-5 once it is due answers too-late, and the event runs', async () => {
    const { bus, clock } = await running()
    const answers: string[] = []
    const cancel = async (): Promise<void> => void answers.push(await scheduled.cancel())
    bus.on(Due, cancel)
    const scheduled = await bus.schedule(Due('a'), { delayMs: 100 })
    await clock.advance(100)
    await cancel()
    expect(answers).toEqual(['too-late', 'too-late'])
  })

  it('R-SCH-5 answers too-late as soon as the event is due, though it still waits in the queue', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock })
    const scheduled = await bus.schedule(Due('a'), { delayMs: 10 })
    await clock.advance(10)
    expect(bus.stats().waiting).toBe(1)
    await expect(scheduled.cancel()).resolves.toBe('too-late')
  })

  it('R-SCH-5 cancelling one leaves the others, in whatever order they are cancelled', async () => {
    const { bus, clock, fired } = await running()
    const all = await Promise.all(
      Array.from({ length: 300 }, (_, n) => bus.schedule(Due(`${n}`), { delayMs: 100 + n })),
    )
    const odd = all.filter((_, n) => n % 2 === 1).toReversed()
    for (const scheduled of odd) await scheduled.cancel()
    await clock.advance(1000)
    expect(fired).toEqual(Array.from({ length: 150 }, (_, n) => `${n * 2} at ${100 + n * 2}`))
  })

  it.each([1, 64, 65, 66, 500])('cancelling all of %i leaves no timer behind, latest first', async (count) => {
    const { bus, clock } = await running()
    const all = await Promise.all(Array.from({ length: count }, (_, n) => bus.schedule(Due('a'), { delayMs: 100 + n })))
    for (const scheduled of all.toReversed()) await scheduled.cancel()
    expect(clock.pendingTimers).toBe(0)
  })

  it.each([1, 65, 500])('stop takes %i schedules away, reports them, and leaves no timer behind', async (count) => {
    const { bus, clock } = await running()
    for (let n = 0; n < count; n++) await bus.schedule(Due('a'), { delayMs: 100 + ((n * 7919) % 1000) })
    const { left } = await bus.stop()
    expect(left).toHaveLength(count)
    expect(left[0]).toMatchObject({ type: 'due', reason: 'scheduled' })
    expect(clock.pendingTimers).toBe(0)
    expect(bus.stats().scheduled).toBe(0)
  })
})

describe('acceptance', () => {
  it('runs filters and publish middleware once, when it is scheduled', async () => {
    const { bus, clock } = await running()
    const ran: string[] = []
    bus.filter(({ payload }) => {
      ran.push('filter')
      return payload !== 'no'
    })
    bus.use({
      publish: (_event, next) => {
        ran.push('middleware')
        return next({ metadata: { traced: true } })
      },
    })
    const metadata: unknown[] = []
    bus.on(Due, (event) => void metadata.push(event.metadata))
    await bus.schedule(Due('yes'), { delayMs: 10 })
    await expect(bus.schedule(Due('no'), { delayMs: 10 })).resolves.toMatchObject({ status: 'filtered' })
    expect(ran).toEqual(['filter', 'middleware', 'filter'])
    await clock.advance(10)
    expect(ran).toHaveLength(3)
    expect(metadata).toEqual([{ traced: true }])
  })

  it.each([
    ['a negative delay', { delayMs: -1 }],
    ['a delay that is no number', { delayMs: Number.NaN }],
    ['an endless delay', { delayMs: Infinity }],
    ['a delay as text', { delayMs: '5' }],
    ['an invalid date', { at: new Date('soon') }],
    ['a date as text', { at: '2026-01-01' }],
    ['both', { at: 0, delayMs: 0 }],
    ['neither', {}],
    ['nothing at all', undefined],
    ['a priority that is no number', { delayMs: 1, priority: Number.NaN }],
  ])('refuses %s with INVALID_ARGUMENT', async (_name, options) => {
    const { bus, clock } = await running()
    await expect(bus.schedule(Due('a'), options as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(bus.stats()).toMatchObject({ scheduled: 0, rejected: 1 })
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('without a store', () => {
  const unavailable = { code: 'PERSISTENCE_UNAVAILABLE', message: expect.stringContaining('persistence') }

  it.each([
    ["durability: 'required'", { durability: 'required' }],
    ['a transaction', { transaction: {} }],
    ['an idempotencyKey', { idempotencyKey: 'once' }],
  ] as const)('R-SCH-4 schedule with %s is refused', async (_name, options) => {
    const { bus } = await running()
    await expect(bus.schedule(Due('a'), { delayMs: 1, ...options })).rejects.toMatchObject(unavailable)
    expect(bus.stats().scheduled).toBe(0)
  })

  it('R-SCH-4 schedule keeps the event in memory otherwise, that of a durable type too', async () => {
    const { bus, clock } = await running()
    const kept: string[] = []
    bus.on(Kept, ({ payload }) => void kept.push(payload), { name: 'keeper' })
    await expect(bus.schedule(Kept('a'), { delayMs: 1 })).resolves.toMatchObject({ durability: 'memory' })
    await expect(bus.schedule(Kept('b'), { delayMs: 1, durability: 'preferred' })).resolves.toMatchObject({
      durability: 'memory',
    })
    await clock.advance(1)
    expect(kept).toEqual(['a', 'b'])
  })

  it.each([
    ['durable', { durable: true }],
    ['a transaction', { transaction: {} }],
    ['an idempotencyKey', { idempotencyKey: 'once' }],
    ['expiresInMs', { expiresInMs: 1000 }],
  ] as const)('R-SCH-4 publish with %s is refused', async (_name, options) => {
    const { bus, fired } = await running()
    await expect(bus.publish(Due('a'), options)).rejects.toMatchObject(unavailable)
    await settle()
    expect(fired).toEqual([])
  })

  it('R-SCH-4 publish and publishAndWait of a durable type are refused, and durable: false lets them through', async () => {
    const { bus } = await running()
    const kept: string[] = []
    bus.on(Kept, ({ payload }) => void kept.push(payload), { name: 'keeper' })
    await expect(bus.publish(Kept('a'))).rejects.toMatchObject(unavailable)
    await expect(bus.publishAndWait(Kept('b'))).rejects.toMatchObject(unavailable)
    await expect(bus.publishAndWait(Due('c'), { durable: true })).rejects.toMatchObject(unavailable)
    await bus.publishAndWait(Kept('d'), { durable: false })
    await bus.publish(Kept('e'), { durable: false })
    await bus.idle()
    expect(kept).toEqual(['d', 'e'])
  })

  it('R-SCH-4 refuses before start as well: a durable publish is not buffered', async () => {
    const bus = createBus()
    await expect(bus.publish(Kept('a'))).rejects.toMatchObject(unavailable)
    expect(bus.stats().buffered).toBe(0)
  })
})
