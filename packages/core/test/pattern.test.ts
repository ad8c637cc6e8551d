import { describe, expect, it } from 'vitest'
import { BackpressureChanged, createBus, defineEvent, HandlerPriority, patternFilter } from '../src/index.ts'
import { compilePattern } from '../src/pattern.ts'

describe('matching', () => {
  it.each([
    ['order.placed', 'order.placed', true],
    ['order.placed', 'order.placed.again', false],
    ['order.placed', 'order', false],
    ['order.*', 'order.placed', true],
    ['order.*', 'order', false],
    ['order.*', 'order.item.added', false],
    ['*', 'order', true],
    ['*', 'order.placed', false],
    ['*.placed', 'order.placed', true],
    ['*.*', 'order.placed', true],
    ['**', 'order', true],
    ['**', 'order.item.added', true],
    ['order.**', 'order', true],
    ['order.**', 'order.item.added', true],
    ['order.**', 'orders.item', false],
    ['**.added', 'added', true],
    ['**.added', 'order.item.added', true],
    ['order.**.added', 'order.added', true],
    ['order.**.added', 'order.item.line.added', true],
    ['order.**.added', 'order.item.line', false],
    ['**.item.**', 'order.item.added', true],
    ['**.*', 'order', true],
    ['**.*.**', 'a.b.c', true],
    ['a.**.b.**.c', 'a.x.b.y.z.c', true],
    ['a.**.b.**.c', 'a.x.c', false],
    ['order+.*', 'orderr.x', false],
    ['order.*', 'order.pläced', true],
  ])('%s matches %s: %s', (pattern, type, matches) => {
    expect(compilePattern(pattern)(type)).toBe(matches)
  })

  it.each(['**', 'buslane.**', 'buslane.command.*', '*.*.*', 'buslane.backpressure.changed'])(
    '%s never matches system events',
    (pattern) => {
      expect(compilePattern(pattern)('buslane.backpressure.changed')).toBe(false)
    },
  )

  it.each(['', '.', 'a..b', 'a.', '.a', 'a b', '***', 'a*', 'a.*b', 7, undefined, null])(
    '%j is no pattern',
    (pattern) => {
      const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
      expect(() => createBus().onPattern(pattern as string, () => undefined)).toThrow(invalid)
      expect(() => patternFilter(pattern as string)).toThrow(invalid)
    },
  )

  it('does not take long over a pattern that invites it', () => {
    const pattern = Array.from({ length: 8 }, () => '**.a').join('.')
    const type = `${Array.from({ length: 28 }, () => 'a').join('.')}.b`
    const from = performance.now()
    expect(compilePattern(pattern)(type)).toBe(false)
    expect(performance.now() - from).toBeLessThan(1000)
  })
})

describe('onPattern', () => {
  const Placed = defineEvent<number>('order.placed')
  const Paid = defineEvent<number>('order.paid')

  it('R-PRI-2 merges pattern handlers with others by priority', async () => {
    const bus = createBus()
    const order: string[] = []
    bus.on(Placed, () => void order.push('on normal'))
    bus.onPattern('order.*', () => void order.push('pattern high'), { priority: HandlerPriority.HIGH })
    bus.onPattern('**', () => void order.push('pattern normal'))
    bus.session('chat').on(Placed, () => void order.push('session highest'), { priority: HandlerPriority.HIGHEST })
    await bus.start()
    await bus.publishAndWait(Placed(1, { sessionId: 'chat' }))
    expect(order).toEqual(['session highest', 'pattern high', 'on normal', 'pattern normal'])
  })

  it('hears types that are defined later, and types that only patterns hear', async () => {
    const bus = createBus()
    const heard: string[] = []
    bus.onPattern('**', ({ type }) => void heard.push(type))
    await bus.start()
    await bus.publishAndWait(Placed(1))
    await bus.publishAndWait(Paid(1))
    await bus.publishAndWait(defineEvent('brand.new.thing')())
    expect(heard).toEqual(['order.placed', 'order.paid', 'brand.new.thing'])
  })

  it('never hears system events', async () => {
    const bus = createBus({ queue: { capacity: 1 } })
    const heard: string[] = []
    bus.onPattern('**', ({ type }) => void heard.push(type))
    bus.on(BackpressureChanged, () => undefined)
    bus.session('chat')
    await bus.publish(Placed(1))
    await bus.start()
    await bus.idle()
    expect(heard).toEqual(['order.placed'])
  })

  it('is removed by remove, dispose, signal, and after once', async () => {
    const bus = createBus()
    const heard: string[] = []
    const controller = new AbortController()
    const note = (name: string) => (): void => void heard.push(name)
    const removed = bus.onPattern('**', note('removed'))
    const disposed = bus.onPattern('order.*', note('disposed'))
    bus.onPattern('**', note('signal'), { signal: controller.signal })
    bus.onPattern('**', note('once'), { once: true })
    bus.onPattern('**', note('stays'))
    await bus.start()
    await bus.publishAndWait(Placed(1))
    expect(heard).toHaveLength(5)
    heard.length = 0
    removed.remove()
    disposed[Symbol.dispose]()
    controller.abort()
    await bus.publishAndWait(Placed(1))
    expect(heard).toEqual(['stays'])
    expect(bus.stats().handlers).toMatchObject({ patternHandlers: 1 })
  })

  it.each([Number.NaN, Infinity, '5'])('R-PRI-1 refuses a priority of %s', (priority) => {
    expect(() => createBus().onPattern('**', () => undefined, { priority: priority as number })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})
