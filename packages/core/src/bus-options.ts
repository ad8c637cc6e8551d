import type { Clock } from './clock.ts'
import type { Settings } from './engine.ts'
import { describe, invalid } from './errors.ts'
import type { QueueOptions } from './intake.ts'
import type { Logger } from './logger.ts'
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

/** Checks the options and fills in the defaults. */
export const readOptions = (options: BusOptions): Settings => {
  const { queue = {}, concurrency = 100, ageingMs = 1000, maxNestedWaits = 100, onGroupFailure = 'continue' } = options
  const { capacity = 10_000, highWaterMark = 0.8, lowWaterMark = 0.5, strategy = 'wait' } = queue
  requireNumber('concurrency', concurrency, 1, true)
  requireNumber('ageingMs', ageingMs, 0, false)
  requireNumber('maxNestedWaits', maxNestedWaits, 0, true)
  requireNumber('queue.capacity', capacity, 1, true)
  if (!(highWaterMark <= 1 && lowWaterMark <= highWaterMark && lowWaterMark >= 0)) {
    throw invalid('queue.lowWaterMark and queue.highWaterMark must be shares with 0 <= low <= high <= 1')
  }
  requireOneOf('queue.strategy', strategy, ['wait', 'reject', 'drop-newest', 'drop-oldest', 'rate-limit'])
  requireOneOf('onGroupFailure', onGroupFailure, ['continue', 'stop'])
  if (options.lane !== undefined && typeof options.lane !== 'function') throw invalid('lane must be a function')
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

const requireNumber = (name: string, value: unknown, least: number, whole: boolean): void => {
  if (value === Infinity || (typeof value === 'number' && value >= least && (!whole || Number.isInteger(value)))) return
  throw invalid(`${name} must be a ${whole ? 'whole ' : ''}number from ${least}, or Infinity, not ${describe(value)}`)
}

const requireOneOf = (name: string, value: unknown, allowed: readonly unknown[]): void => {
  if (!allowed.includes(value)) throw invalid(`${name} must be one of ${allowed.join(', ')}, not ${describe(value)}`)
}
