import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBus, defineEvent, type ScheduledEvent } from '../../src/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const Due = defineEvent<number>('due')
const YEAR = 365 * 86_400_000

/** From at once to far beyond the longest timer there is (2^31-1 ms), fractions included. */
const duration = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.double({ min: 0, max: 50, noNaN: true }),
  fc.integer({ min: 0, max: 100_000 }),
  fc.integer({ min: 2 ** 31 - 3, max: 2 ** 31 + 3 }),
  fc.integer({ min: 2 ** 31, max: 3 * YEAR }),
)

/** A clock that notes what it is asked for. */
class Watched extends VirtualClock {
  readonly delays: number[] = []

  override setTimer(callback: () => void, delayMs: number): number {
    this.delays.push(delayMs)
    return super.setTimer(callback, delayMs)
  }
}

const made = async () => {
  const clock = new Watched()
  const bus = createBus({ clock, queue: { capacity: Infinity } })
  const fired: { n: number; monotonic: number; wall: number }[] = []
  // Each in a lane of its own: then the order is that of the timers, not of the queue.
  bus.on(Due, ({ payload }) => void fired.push({ n: payload, monotonic: clock.monotonic(), wall: clock.now() }))
  await bus.start()
  return { bus, clock, fired }
}

describe('R-SCH-1', () => {
  it('R-SCH-1 delays are never early, late by less than one tick, and in due order; cancelled ones never fire', async () => {
    const plan = fc.array(
      fc.record({ delayMs: duration, after: fc.integer({ min: 0, max: 50 }), cancel: fc.boolean() }),
      {
        minLength: 1,
        maxLength: 60,
        size: 'max',
      },
    )
    await fc.assert(
      fc.asyncProperty(plan, async (all) => {
        const { bus, clock, fired } = await made()
        const dueAt: number[] = []
        const answers: string[] = []
        for (const [n, { delayMs, after, cancel }] of all.entries()) {
          dueAt.push(clock.monotonic() + delayMs)
          const scheduled = await bus.schedule(Due(n), { delayMs })
          clock.elapse(after / 7)
          answers.push(await (cancel ? scheduled.cancel() : 'kept'))
        }
        expect(clock.pendingTimers).toBeLessThanOrEqual(1)
        await clock.advance(4 * YEAR)
        const expected = all.flatMap((_, n) => (answers[n] === 'cancelled' ? [] : [n]))
        expect(fired.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(expected)
        for (const { n, monotonic } of fired) {
          expect(monotonic).toBeGreaterThanOrEqual(dueAt[n]!)
          // The clock was moved while nothing fired: what became due meanwhile fires with the next timer.
          expect(monotonic - Math.max(dueAt[n]!, fired[0]!.monotonic)).toBeLessThanOrEqual(1)
        }
        const order = fired.map(({ n }) => dueAt[n]!)
        expect(order).toEqual(order.toSorted((a, b) => a - b))
        expect(Math.max(0, ...clock.delays)).toBeLessThanOrEqual(2 ** 31 - 1)
        expect(clock.pendingTimers).toBe(0)
        await bus.stop()
      }),
      { numRuns: 150 },
    )
  })

  it('R-SCH-2 points in time are never early by the wall clock, whatever it does, and late by ten seconds at most', async () => {
    const event = fc.record({ does: fc.constant('schedule' as const), ms: fc.integer({ min: -10_000, max: 100_000 }) })
    const step = fc.record({ does: fc.constant('step' as const), ms: fc.integer({ min: -60_000, max: 60_000 }) })
    const pass = fc.record({ does: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 30_000 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(event, step, pass), { minLength: 1, maxLength: 30, size: 'max' }),
        async (all) => {
          const { bus, clock, fired } = await made()
          const dueAt: number[] = []
          /** Since when the wall clock has stood at or behind the due time, on the monotonic clock. */
          const since: number[] = []
          const look = (passes: number): void => {
            const done = new Set(fired.map(({ n }) => n))
            for (const [n, due] of dueAt.entries()) {
              const left = Math.max(0, due - clock.now())
              const reached = left <= passes ? Math.min(since[n]!, clock.monotonic() + left) : Infinity
              since[n] = done.has(n) ? since[n]! : reached
            }
          }
          const run = {
            schedule: async (ms: number) => {
              since.push(Infinity)
              // A time that is over is due when it is scheduled.
              const n = dueAt.push(clock.now() + Math.max(0, ms)) - 1
              await bus.schedule(Due(n), { at: clock.now() + ms })
            },
            step: async (ms: number) => clock.stepWall(ms),
            pass: async (ms: number) => {
              look(ms)
              await clock.advance(ms)
            },
          }
          for (const { does, ms } of all) {
            await run[does](ms)
            look(0)
          }
          await run.pass(2_000_000)
          expect(fired.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(dueAt.map((_, n) => n))
          for (const { n, wall, monotonic } of fired) {
            expect(wall).toBeGreaterThanOrEqual(dueAt[n]!)
            expect(monotonic - since[n]!).toBeLessThanOrEqual(10_001)
          }
          expect(clock.pendingTimers).toBe(0)
          await bus.stop()
        },
      ),
      { numRuns: 150 },
    )
  })

  it('R-SCH-5 cancel answers cancelled or too-late, once each way, and the event runs exactly if it was too late', async () => {
    const plan = fc.array(
      fc.record({ delayMs: fc.integer({ min: 0, max: 50 }), cancelAt: fc.integer({ min: 0, max: 60 }) }),
      {
        minLength: 1,
        maxLength: 30,
        size: 'max',
      },
    )
    await fc.assert(
      fc.asyncProperty(plan, async (all) => {
        const { bus, clock, fired } = await made()
        const scheduled: ScheduledEvent[] = []
        for (const [n, { delayMs }] of all.entries()) scheduled.push(await bus.schedule(Due(n), { delayMs }))
        const answers: string[] = []
        for (let at = 0; at <= 60; at++) {
          for (const [n, { cancelAt }] of all.entries())
            answers[n] ??= (await (cancelAt === at && scheduled[n]!.cancel())) || answers[n]!
          await clock.advance(1)
        }
        const ran = new Set(fired.map(({ n }) => n))
        expect(all.map((_, n) => (ran.has(n) ? 'too-late' : 'cancelled'))).toEqual(answers)
        expect(fired).toHaveLength(ran.size)
        await bus.stop()
      }),
      { numRuns: 50 },
    )
  })
})
