import { check, checkMethods, checkOptions, FUNCTION, type Kinds } from '../check.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { EventMessage } from '../message.ts'
import type { EventFilter } from '../publishing.ts'

/** Options of {@link rateLimitFilter}. */
export interface RateLimitOptions {
  /** How many events pass in a second, in the long run. */
  readonly perSecond: number
  /** How many may pass at once after a pause. Default: `perSecond`, at least 1. */
  readonly burst?: number | undefined
  /** Events with the same key share a limit. Default: all share one. */
  readonly key?: ((event: EventMessage) => string) | undefined
  readonly clock?: Pick<Clock, 'monotonic'> | undefined
}

const RATE: Kinds = { perSecond: 'a number above 0', burst: 'a number from 1', key: FUNCTION, clock: 'anything' }

interface Bucket {
  tokens: number
  filledAt: number
}

/**
 * Passes events up to a rate and filters the rest: a token bucket, on the monotonic clock. Use it to shed load; to slow
 * publishers down instead, use the queue strategy `rate-limit`. Full buckets are forgotten, so keys may come and go.
 *
 * @throws {BusError} `INVALID_ARGUMENT` for a rate that is not above 0 or a burst below 1.
 */
export const rateLimitFilter = (options: RateLimitOptions): EventFilter => {
  check('The options of rateLimitFilter', options, 'an object')
  checkOptions('rateLimitFilter', options, RATE)
  const { perSecond, key = () => '', clock = systemClock } = options
  const burst = options.burst ?? Math.max(1, perSecond)
  check('rateLimitFilter: perSecond', perSecond, 'a number above 0')
  checkMethods('rateLimitFilter: clock', clock, ['monotonic'])
  const buckets = new Map<string, Bucket>()
  let sweptAt = clock.monotonic()
  const tokensAt = ({ tokens, filledAt }: Bucket, now: number): number =>
    Math.min(burst, tokens + ((now - filledAt) / 1000) * perSecond)
  return (event) => {
    const now = clock.monotonic()
    if (now - sweptAt > 60_000) {
      sweptAt = now
      for (const [name, bucket] of buckets) if (tokensAt(bucket, now) >= burst) buckets.delete(name)
    }
    const name = key(event)
    const bucket = buckets.get(name) ?? { tokens: burst, filledAt: now }
    buckets.set(name, bucket)
    bucket.tokens = tokensAt(bucket, now)
    bucket.filledAt = now
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}
