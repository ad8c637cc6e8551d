import {
  type Bus,
  type BusOptions,
  type Clock,
  type CommandDefinition,
  type CommandHandler,
  createBus,
  type Persistence,
  type Registration,
  type StoreSettings,
} from '@buslane/core'
import type { Duration } from './duration.ts'
import { Interleaver } from './interleaver.ts'
import { Recorder, type Recorded } from './recorder.ts'
import { VirtualClock } from './virtual-clock.ts'

/** What the store of a test bus is made with: `memoryPersistence` of `@buslane/persistence-memory` takes it as it is. */
export interface TestPersistenceOptions {
  readonly clock: Clock
  /** Nothing else works on the store, so it is hardly ever looked after: a year of heartbeats would take a minute. */
  readonly settings: Partial<StoreSettings>
}

/** Options of {@link createTestBus}: those of `createBus`, but for where time and durable events come from. */
export interface TestBusOptions extends Omit<BusOptions, 'clock' | 'persistence'> {
  /**
   * Makes the store: `memoryPersistence` for events that are durable or scheduled. Called with the bus's clock. A store that is there
   * already is taken as it is. Default: none, so that durable publishes are refused.
   */
  readonly persistence?: ((options: TestPersistenceOptions) => Persistence) | Persistence | undefined
  /** Default: one of its own. Give one to several buses that share a store. */
  readonly clock?: VirtualClock | undefined
  /**
   * Varies the order in which concurrent handlers start and end: another seed, another order; the same one, the same. Default: they run
   * as they do in production. See {@link underSeeds}.
   */
  readonly seed?: number | undefined
}

/** A bus whose time is yours. Made by {@link createTestBus}. */
export interface TestBus extends Bus {
  readonly clock: VirtualClock
  /** What has happened on the bus since it was made. */
  readonly recorded: Recorded
  /**
   * Lets time pass: `'3d'`, `'250ms'`, or milliseconds. What is due meanwhile happens in order: schedules, back-offs, timeouts, and
   * what follows from them. *Resolves when* all of that has settled, but for handlers that wait for the outside world.
   */
  advance(duration: Duration): Promise<void>
  /**
   * Answers a command with a value, or as a function does; what a function throws is the command's failure.
   *
   * @throws {BusError} `HANDLER_EXISTS` if the bus has a handler of the command.
   */
  stubCommand<Input, Result, Output>(
    definition: CommandDefinition<Input, Result, Output>,
    answer: NoInfer<Result> | CommandHandler<Output, NoInfer<Result>>,
  ): Registration
}

const LONG_MS = 2 ** 31 - 1
/** How long `stop` may take beyond its own limit, in virtual time, before the test is to see that it hangs. */
const STOPPING_MS = 60_000

/**
 * A bus for tests: time passes only when you say so, and everything that happens is recorded. Use it for your own handlers; to prove
 * a store use `@buslane/testkit/conformance`.
 *
 * - *Time*: schedules, back-offs, timeouts, leases and rate limits all follow the virtual clock. Handlers that wait for real timers or
 *   I/O do so in real time: `await bus.idle()` waits for them.
 * - *Order*: as in production, or varied by `seed`.
 * - *Test runners*: any; it needs none. Fake timers of a runner are not needed, and not in the way unless they take microtasks too, as
 *   Jest's do by default: `jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] })`.
 *
 * @example
 * import { defineEvent } from '@buslane/core'
 * const Reminded = defineEvent<{ who: string }>('reminded')
 * await using bus = createTestBus()
 * bus.on(Reminded, ({ payload }) => payload.who)
 * await bus.start()
 * await bus.schedule(Reminded({ who: 'Ada' }), { delayMs: 365 * 24 * 3_600_000 })
 * await bus.advance('364d')
 * bus.recorded.handled(Reminded).length // => 0
 * await bus.advance('1d')
 * bus.recorded.handled(Reminded).length // => 1
 */
export function createTestBus(options: TestBusOptions = {}): TestBus {
  const { clock = new VirtualClock(), persistence: given, seed, ...rest } = options
  const persistence = typeof given === 'function' ? given({ clock, settings: unhurried }) : given
  const bus = createBus({ ...rest, clock, persistence })
  const recorder = new Recorder(clock, persistence)
  bus.observe(recorder.observer)
  if (seed !== undefined) {
    const interleaver = new Interleaver(seed, clock)
    bus.use({ event: (_event, _context, next) => interleaver.around(next) })
  }
  const stop = bus.stop.bind(bus)
  const added = {
    clock,
    recorded: recorder,
    advance: (duration: Duration) => clock.advance(duration),
    stubCommand: (definition: CommandDefinition, answer: unknown) =>
      bus.handle(definition, typeof answer === 'function' ? (answer as CommandHandler) : () => answer, {
        name: `stub of ${definition.type}`,
      }),
    /** As the bus does, with the time that this takes. */
    stop: async (stopOptions?: Parameters<Bus['stop']>[0]) => {
      let over = false
      const report = stop(stopOptions)
      const end = (): void => void (over = true)
      report.then(end, end)
      const { timeoutMs = 10_000 } = stopOptions ?? {}
      await clock.advance(Math.min(timeoutMs, LONG_MS) + STOPPING_MS, { until: () => over })
      return await report
    },
    [Symbol.asyncDispose]: async () => void (await added.stop()),
  }
  return Object.assign(bus, added) as TestBus
}

const unhurried: Partial<StoreSettings> = {
  leaseMs: LONG_MS,
  heartbeatMs: LONG_MS / 3,
  sweepMs: LONG_MS,
  pollMs: LONG_MS,
}
