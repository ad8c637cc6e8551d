import { describe, expect, it } from 'vitest'
import { createBus, defineEvent } from '../src/index.ts'
import { Timer, Timers } from '../src/timers.ts'
import { recordingLogger } from './support/recording-logger.ts'
import { settle, VirtualClock } from './support/virtual-clock.ts'

class Point extends Timer {
  readonly #log: number[]

  constructor(dueAt: number, log: number[]) {
    super(dueAt)
    this.#log = log
  }

  fire(lateMs: number): void {
    this.#log.push(lateMs)
  }
}

describe('one timer for all', () => {
  it('R-SCH-1 sets the clock again only for something earlier', () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    timers.after(100, () => undefined)
    timers.after(200, () => undefined)
    timers.after(150, () => undefined)
    timers.add(new Point(clock.now() + 300, []), true)
    timers.add(new Point(clock.now() + 250, []), true)
    expect(clock.timersSet).toBe(1)
    timers.after(50, () => undefined)
    expect(clock.timersSet).toBe(2)
    expect(clock.pendingTimers).toBe(1)
  })

  it('R-SCH-1 sleeps when nothing is left', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    let fired = 0
    timers.after(10, () => void fired++)
    await clock.advance(1_000_000)
    expect(fired).toBe(1)
    expect(clock.pendingTimers).toBe(0)
    expect(clock.timersSet).toBe(1)
  })

  it('fires what was added while firing, in due order', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const fired: string[] = []
    timers.after(10, () => {
      fired.push('first')
      timers.after(0, () => fired.push('at once'))
      timers.after(5, () => fired.push('later'))
    })
    timers.after(12, () => fired.push('between'))
    await clock.advance(100)
    expect(fired).toEqual(['first', 'at once', 'between', 'later'])
  })

  it('fires equal times in the order they were added', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const fired: number[] = []
    for (let n = 0; n < 100; n++) timers.after(10, () => fired.push(n))
    await clock.advance(10)
    expect(fired).toEqual(Array.from({ length: 100 }, (_, n) => n))
  })

  it('tells how late a timer is', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const late: number[] = []
    timers.add(new Point(10, late))
    timers.add(new Point(clock.now() + 30, late), true)
    clock.elapse(50)
    await clock.advance(0)
    expect(late).toEqual([40, 20])
  })

  it('cancelling answers whether it was still waiting', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const timer = timers.after(10, () => undefined)
    expect(timers.cancel(timer)).toBe(true)
    expect(timers.cancel(timer)).toBe(false)
    const fired = timers.after(10, () => undefined)
    await clock.advance(10)
    expect(timers.cancel(fired)).toBe(false)
    expect(timers.cancel(undefined)).toBe(false)
  })

  it('cancelling the earliest sets the clock for the next', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const fired: string[] = []
    const early = timers.after(10, () => fired.push('early'))
    timers.after(20, () => fired.push('late'))
    timers.cancel(early)
    await clock.advance(15)
    expect(fired).toEqual([])
    await clock.advance(5)
    expect(fired).toEqual(['late'])
  })

  it('fires what is added after the only timer was cancelled', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    let fired = 0
    timers.cancel(timers.after(10, () => undefined))
    timers.after(90, () => void fired++)
    await clock.advance(100)
    expect(fired).toBe(1)
  })

  it('does not keep cancelled timers for ever', () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    timers.after(1, () => undefined)
    for (let n = 0; n < 10_000; n++) timers.cancel(timers.after(1_000_000, () => undefined))
    expect([...timers].length).toBeLessThan(200)
  })

  it('R-LANE-4 gives the event loop a turn when firing takes longer than 10 ms', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const order: string[] = []
    const slow = (name: string) => (): void => {
      order.push(name)
      clock.elapse(20)
    }
    timers.after(1, slow('a'))
    timers.after(1, slow('b'))
    clock.elapse(1)
    const advancing = clock.advance(0)
    setImmediate(() => order.push('turn'))
    await advancing
    await settle()
    expect(order.indexOf('b')).toBeGreaterThan(order.indexOf('a'))
    expect(order).toContain('turn')
  })

  it('R-SCH-1 keeps to one timer when firing is interrupted for a turn and something is added meanwhile', async () => {
    const clock = new VirtualClock()
    const timers = new Timers(clock)
    const fired: string[] = []
    timers.after(1, () => {
      clock.elapse(20)
      fired.push('slow')
    })
    timers.after(2, () => fired.push('next'))
    timers.after(60_000, () => undefined)
    clock.elapse(1)
    const advancing = clock.advance(0)
    await new Promise<void>((resolve) => setImmediate(resolve))
    timers.after(5000, () => fired.push('added'))
    await advancing
    await settle()
    expect(fired).toEqual(['slow', 'next'])
    expect(clock.pendingTimers).toBe(1)
  })
})

describe('what a throwing callback does', () => {
  it('R-ERR-1 a retry delay that is no number is a plugin error: the failure is final, and other timers go on', async () => {
    const Due = defineEvent('due')
    const Bad = defineEvent('bad')
    const clock = new VirtualClock()
    const bus = createBus({
      clock,
      logger: recordingLogger(),
      plugins: [{ name: 'odd', install: (host) => host.onFailure(() => ({ action: 'retry', delayMs: Number.NaN })) }],
    })
    let fired = 0
    bus.on(Due, () => void fired++)
    bus.on(Bad, () => {
      throw new Error('no luck')
    })
    await bus.start()
    await bus.schedule(Due(), { delayMs: 100 })
    await bus.publish(Bad())
    await clock.advance(100)
    expect(fired).toBe(1)
    expect(bus.errors).toMatchObject([{ error: { message: 'no luck' }, attempts: 1 }])
    expect(bus.stats().running).toBe(0)
  })

  it('R-ERR-1 a registry that fails while an event times out leaves the timers alive', async () => {
    const Due = defineEvent('due')
    const { baseRegistry } = await import('./support/base-registry.ts')
    const base = baseRegistry()
    let broken = false
    const registry = {
      ...base,
      getEventHandlers: (type: string, sessionId: string) => {
        const handlers = base.getEventHandlers(type, sessionId)
        expect(broken, 'the registry is down').toBe(false)
        return handlers
      },
    }
    const clock = new VirtualClock()
    const bus = createBus({ clock, registry, logger: recordingLogger() })
    let fired = 0
    bus.on(Due, () => void fired++)
    const outcome = bus.publishAndWait(Due(), { timeoutMs: 10 }).catch(() => 'refused')
    await bus.schedule(Due(), { delayMs: 20 })
    broken = true
    await clock.advance(10)
    await outcome
    broken = false
    await clock.advance(10)
    await bus.start()
    await bus.idle()
    expect(fired).toBe(1)
  })
})
