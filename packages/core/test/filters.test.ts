import { describe, expect, it } from 'vitest'
import {
  allOf,
  anyOf,
  BackpressureChanged,
  createBus,
  defineEvent,
  type EventFilter,
  metadataFilter,
  not,
  patternFilter,
  rateLimitFilter,
  sessionFilter,
  typeFilter,
} from '../src/index.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

const Placed = defineEvent<number>('order.placed')
const Paid = defineEvent<number>('order.paid.fully')
const Other = defineEvent<number>('other')

const yes: EventFilter = () => true
const no: EventFilter = () => false

describe('bus.filter', () => {
  it('false: the event is not accepted and the receipt says filtered', async () => {
    const bus = createBus()
    bus.filter(({ payload }) => payload !== 2)
    const handled: unknown[] = []
    bus.on(Placed, ({ payload }) => void handled.push(payload))
    await bus.start()
    const event = Placed(2)
    await expect(bus.publish(Placed(1))).resolves.toMatchObject({ status: 'accepted' })
    await expect(bus.publish(event)).resolves.toEqual({ id: event.id, status: 'filtered', durability: 'memory' })
    await expect(bus.publishAndWait(Placed(2))).resolves.toMatchObject({
      disposition: 'filtered',
      handlers: [],
      failed: 0,
    })
    await expect(bus.schedule(Placed(2), { delayMs: 1 })).resolves.toMatchObject({ status: 'filtered' })
    await bus.idle()
    expect(handled).toEqual([1])
    expect(bus.stats()).toMatchObject({ offered: 4, filtered: 3, settled: 1, scheduled: 0 })
  })

  it('every filter must pass; those behind one that does not are not asked', async () => {
    const bus = createBus()
    const asked: string[] = []
    bus.filter(() => asked.push('a') > 0)
    bus.filter(() => asked.push('b') < 0)
    bus.filter(() => asked.push('c') > 0)
    await expect(bus.publish(Placed(1))).resolves.toMatchObject({ status: 'filtered' })
    expect(asked).toEqual(['a', 'b'])
  })

  it('a filter that is disposed of is not asked any more', async () => {
    const bus = createBus()
    const filter = bus.filter(no)
    filter[Symbol.dispose]()
    filter[Symbol.dispose]()
    await expect(bus.publish(Placed(1))).resolves.toMatchObject({ status: 'accepted' })
  })

  it('a filter that was added twice stays until both are disposed of', async () => {
    const bus = createBus()
    const first = bus.filter(no)
    bus.filter(no)
    first[Symbol.dispose]()
    await expect(bus.publish(Placed(1))).resolves.toMatchObject({ status: 'filtered' })
  })

  it('a filter that throws rejects that publish with FILTER_FAILED and the cause, and no other', async () => {
    const bus = createBus()
    const cause = new Error('odd')
    const picky: EventFilter = ({ payload }) => {
      const pass = (): never => {
        throw cause
      }
      return payload === 1 ? pass() : true
    }
    bus.filter(picky)
    await expect(bus.publish(Placed(1))).rejects.toMatchObject({ code: 'FILTER_FAILED', cause })
    await expect(bus.publishAndWait(Placed(1))).rejects.toMatchObject({ code: 'FILTER_FAILED', cause })
    await expect(bus.publish(Placed(2))).resolves.toMatchObject({ status: 'accepted' })
    expect(bus.stats()).toMatchObject({ offered: 3, rejected: 2, waiting: 1 })
  })

  it.each([
    ['nothing', () => undefined],
    ['a number', () => 1],
    ['a promise', async () => true],
    ['a promise that rejects', async () => Promise.reject(new Error('x'))],
  ])('a filter that returns %s rejects the publish: it must answer at once', async (_name, filter) => {
    const bus = createBus()
    bus.filter(filter as never)
    await expect(bus.publish(Placed(1))).rejects.toMatchObject({ code: 'FILTER_FAILED' })
    await settle()
  })

  it('must be a function', () => {
    expect(() => createBus().filter('order.*' as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('R-SYS-1 system events skip filters and publish middleware', async () => {
    const bus = createBus({ queue: { capacity: 1 }, logger: recordingLogger() })
    const levels: string[] = []
    const passed: string[] = []
    bus.filter(({ type }) => !type.startsWith('buslane.'))
    bus.use({ publish: ({ type }, next) => (passed.push(type), next()) })
    bus.on(BackpressureChanged, ({ payload }) => void levels.push(payload.level))
    await bus.publish(Placed(1))
    await bus.start()
    await bus.idle()
    expect(levels).toEqual(['high', 'normal'])
    expect(passed).toEqual(['order.placed'])
  })
})

describe('shipped filters', () => {
  it('sessionFilter passes the events of its sessions', () => {
    const filter = sessionFilter('a', 'b')
    const passes = ['a', 'b', 'c', 'BUS'].filter((sessionId) => filter(Placed(1, { sessionId })))
    expect(passes).toEqual(['a', 'b'])
  })

  it('typeFilter passes the events of its definitions', () => {
    const filter = typeFilter(Placed, Paid)
    expect([Placed(1), Paid(1), Other(1)].map((event) => filter(event))).toEqual([true, true, false])
  })

  it('patternFilter passes the types that match one of its patterns', () => {
    const filter = patternFilter('order.*', 'oth*r'.replace('*', 'e'))
    expect([Placed(1), Paid(1), Other(1)].map((event) => filter(event))).toEqual([true, false, true])
    expect(patternFilter('order.**')(Paid(1))).toBe(true)
    expect(() => patternFilter('order..x')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('metadataFilter passes a key, or a key with one of its values', () => {
    const [plain, tenantA, none] = [
      Placed(1),
      Placed(1, { metadata: { tenant: 'a' } }),
      Placed(1, { metadata: { tenant: undefined } }),
    ]
    expect([plain, tenantA, none].map((event) => metadataFilter('tenant')(event))).toEqual([false, true, true])
    expect([plain, tenantA, none].map((event) => metadataFilter('tenant', 'a', 'b')(event))).toEqual([
      false,
      true,
      false,
    ])
    expect(metadataFilter('toString')(plain)).toBe(false)
  })

  it('allOf, anyOf and not combine, also with nothing to combine', () => {
    const event = Placed(1)
    expect([allOf(yes, yes), allOf(yes, no), allOf()].map((filter) => filter(event))).toEqual([true, false, true])
    expect([anyOf(no, yes), anyOf(no, no), anyOf()].map((filter) => filter(event))).toEqual([true, false, false])
    expect([not(yes), not(no), not(not(yes))].map((filter) => filter(event))).toEqual([false, true, true])
    expect(allOf(typeFilter(Placed), not(sessionFilter('BUS')))(Placed(1, { sessionId: 's' }))).toBe(true)
  })
})

describe('rateLimitFilter', () => {
  const passed = (filter: EventFilter, times: number, event = Placed(1)): number =>
    Array.from({ length: times }, () => filter(event)).filter(Boolean).length

  it('passes a burst, then the rate, and never saves up more than the burst', () => {
    const clock = new VirtualClock()
    const filter = rateLimitFilter({ perSecond: 10, burst: 3, clock })
    expect(passed(filter, 10)).toBe(3)
    clock.elapse(99)
    expect(passed(filter, 10)).toBe(0)
    clock.elapse(1)
    expect(passed(filter, 10)).toBe(1)
    clock.elapse(3_600_000)
    expect(passed(filter, 10)).toBe(3)
  })

  it('holds the rate in the long run', () => {
    const clock = new VirtualClock()
    const filter = rateLimitFilter({ perSecond: 7, clock })
    let count = 0
    for (let step = 0; step < 10_000; step++) {
      clock.elapse(10)
      count += passed(filter, 1)
    }
    expect(count).toBeGreaterThanOrEqual(700 - 1)
    expect(count).toBeLessThanOrEqual(700 + 7)
  })

  it('the burst is perSecond by default, at least 1', () => {
    const clock = new VirtualClock()
    expect(passed(rateLimitFilter({ perSecond: 5, clock }), 10)).toBe(5)
    expect(passed(rateLimitFilter({ perSecond: 0.5, clock }), 10)).toBe(1)
  })

  it('R-SCH-2 does not notice when the wall clock steps', () => {
    const clock = new VirtualClock()
    const filter = rateLimitFilter({ perSecond: 1, clock })
    expect(passed(filter, 2)).toBe(1)
    clock.stepWall(3_600_000)
    expect(passed(filter, 2)).toBe(0)
  })

  it('keeps a limit for each key, and forgets keys that are not used', () => {
    const clock = new VirtualClock()
    const filter = rateLimitFilter({ perSecond: 1, key: ({ sessionId }) => sessionId, clock })
    const of = (sessionId: string) => Placed(1, { sessionId })
    expect(passed(filter, 2, of('a'))).toBe(1)
    expect(passed(filter, 2, of('b'))).toBe(1)
    clock.elapse(120_000)
    expect(passed(filter, 2, of('a'))).toBe(1)
  })

  it.each([
    { perSecond: 0 },
    { perSecond: -1 },
    { perSecond: Number.NaN },
    { perSecond: 1, burst: 0 },
    { perSecond: 1, burst: Number.NaN },
  ])('refuses %j', (options) => {
    expect(() => rateLimitFilter(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('as a filter of a bus sheds load', async () => {
    const clock = new VirtualClock()
    const bus = createBus({ clock })
    bus.filter(rateLimitFilter({ perSecond: 2, clock }))
    const receipts = await Promise.all([1, 2, 3].map((n) => bus.publish(Placed(n))))
    expect(receipts.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'filtered'])
  })
})
