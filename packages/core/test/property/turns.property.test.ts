import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineEvent } from '../../src/index.ts'
import { quietBus } from '../support/quiet-bus.ts'
import { watchTurns } from '../support/turns.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

interface HandlerPlan {
  readonly priority: number
  readonly ms: number
  readonly kind: 'synchronous' | 'asynchronous' | 'failing'
}

interface Plan {
  readonly handlers: readonly HandlerPlan[]
  readonly lanes: readonly (string | undefined)[]
  readonly concurrency: number
}

const Happened = defineEvent<string | undefined>('happened')

const plan = fc.record<Plan>({
  handlers: fc.array(
    fc.record<HandlerPlan>({
      priority: fc.constantFrom(0, 10, 50, 90),
      ms: fc.constantFrom(0, 0.5, 1, 3, 9, 15),
      kind: fc.constantFrom('synchronous', 'synchronous', 'asynchronous', 'failing'),
    }),
    { minLength: 1, maxLength: 20 },
  ),
  lanes: fc.array(fc.constantFrom('a', 'b', 'c', undefined), { minLength: 1, maxLength: 60 }),
  concurrency: fc.constantFrom(1, 2, 100, Infinity),
})

/** The longest time that the event loop had no turn when a handler began. */
const longestBeforeHandler = async ({
  handlers,
  lanes,
  concurrency,
}: Plan): Promise<{ longestMs: number; runs: number }> => {
  const clock = new VirtualClock()
  const bus = quietBus({ clock, concurrency, lane: ({ payload }) => payload as string | undefined })
  const turns = watchTurns(clock)
  let runs = 0
  for (const { priority, ms, kind } of handlers) {
    const work = (): void => {
      turns.look()
      runs++
      clock.elapse(ms)
    }
    const handler = {
      synchronous: work,
      asynchronous: async () => work(),
      failing: async () => {
        work()
        throw new Error('planned')
      },
    }[kind]
    bus.on(Happened, handler, { priority })
  }
  for (const lane of lanes) void bus.publish(Happened(lane))
  await bus.start()
  await bus.idle()
  turns.stop()
  return { longestMs: turns.longestMs(), runs }
}

describe('turns of the event loop under random load', () => {
  it(
    'R-LANE-4 begins no handler more than 10 ms after the last turn, but for what one handler takes',
    { timeout: 60_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(plan, async (one) => {
          const { longestMs, runs } = await longestBeforeHandler(one)

          expect(runs).toBe(one.handlers.length * one.lanes.length)
          expect(longestMs).toBeLessThan(10 + Math.max(0.1, ...one.handlers.map(({ ms }) => ms)))
        }),
        { numRuns: 200 },
      )
    },
  )
})
