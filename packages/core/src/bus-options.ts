import { BOOLEAN, checkMethods, checkOptions, DURATION, FUNCTION, type Kinds, TEXT } from './check.ts'
import type { Clock } from './clock.ts'
import type { Settings } from './engine.ts'
import { invalid } from './errors.ts'
import type { QueueOptions } from './intake.ts'
import { LEVELS, type Logger } from './logger.ts'
import type { Persistence } from './persistence.ts'
import type { Plugin } from './plugin.ts'
import type { LaneFunction } from './publishing.ts'
import type { HandlerRegistry } from './registry.ts'

/** Options of {@link createBus}. All may be left out. */
export interface BusOptions {
  /** What the bus is called in stats and logs. Default `bus`. */
  readonly name?: string | undefined
  /** Where handlers are kept. Default: a registry with every extension. */
  readonly registry?: HandlerRegistry | undefined
  /** Where durable and scheduled events are kept, as a persistence package makes it. Default: nowhere. */
  readonly persistence?: Persistence | undefined
  /** Installed in this order. */
  readonly plugins?: readonly Plugin[] | undefined
  /** Where time comes from. Default: the system's clock. */
  readonly clock?: Clock | undefined
  /** Where the bus writes. Default: the console, from warnings up. */
  readonly logger?: Logger | undefined
  readonly queue?: QueueOptions | undefined
  /** How many lanes run at once. Default 100. */
  readonly concurrency?: number | undefined
  /** Which events are handled one after another. Default: those of one session. */
  readonly lane?: LaneFunction | undefined
  /** How much earlier one step of event priority counts, in milliseconds of waiting. `Infinity`: priority first. Default 1,000. */
  readonly ageingMs?: number | undefined
  /** Whether the groups behind a failed one still run. Default `continue`. */
  readonly onGroupFailure?: 'continue' | 'stop' | undefined
  /** How many failures `bus.errors` keeps. Default 1,000. */
  readonly errorHistoryLimit?: number | undefined
  /** How many handlers may wait inside each other. Default 100. */
  readonly maxNestedWaits?: number | undefined
  /**
   * Whether waiting through `bus` inside a handler is recognised by the async context, where the runtime has one.
   * Default `true`. Turned off, waiting through `context` still never deadlocks.
   */
  readonly asyncContext?: boolean | undefined
}

const QUEUE: Kinds = {
  capacity: 'a whole number from 1, or Infinity',
  strategy: ['wait', 'reject', 'drop-newest', 'drop-oldest', 'rate-limit'],
  highWaterMark: 'a share from 0 to 1',
  lowWaterMark: 'a share from 0 to 1',
}

const OPTIONS: Kinds = {
  name: TEXT,
  registry: 'anything',
  persistence: 'an object',
  plugins: 'an array',
  clock: 'anything',
  logger: 'anything',
  queue: 'an object',
  concurrency: 'a whole number from 1, or Infinity',
  lane: FUNCTION,
  ageingMs: DURATION,
  onGroupFailure: ['continue', 'stop'],
  errorHistoryLimit: 'a whole number from 0, or Infinity',
  maxNestedWaits: 'a whole number from 0, or Infinity',
  asyncContext: BOOLEAN,
}

/** Checks the options and fills in the defaults. */
export const readOptions = (options: BusOptions): Settings => {
  checkOptions('createBus', options, OPTIONS)
  const { queue = {}, concurrency = 100, ageingMs = 1000, maxNestedWaits = 100, onGroupFailure = 'continue' } = options
  checkOptions('createBus.queue', queue, QUEUE)
  const { capacity = 10_000, highWaterMark = 0.8, lowWaterMark = 0.5, strategy = 'wait' } = queue
  if (lowWaterMark > highWaterMark) {
    throw invalid('createBus.queue: lowWaterMark must not be above highWaterMark')
  }
  if (options.clock !== undefined) checkMethods('clock', options.clock, ['now', 'monotonic', 'setTimer', 'clearTimer'])
  if (options.logger !== undefined) checkMethods('logger', options.logger, LEVELS)
  return {
    name: options.name ?? 'bus',
    registry: options.registry,
    clock: options.clock,
    logger: options.logger,
    queue: { capacity, highWaterMark, lowWaterMark, strategy },
    concurrency,
    lane: options.lane,
    ageingMs,
    onGroupFailure,
    errorHistoryLimit: options.errorHistoryLimit ?? 1000,
    maxNestedWaits,
    asyncContext: options.asyncContext ?? true,
    persistence: options.persistence,
  }
}
