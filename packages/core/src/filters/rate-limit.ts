import { type Clock, systemClock } from '../clock.ts'
import { describe, invalid } from '../errors.ts'
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
  const { perSecond, key = () => '', clock = systemClock } = options
  const burst = options.burst ?? Math.max(1, perSecond)
  if (!(perSecond > 0)) throw invalid(`perSecond must be a number above 0, not ${describe(perSecond)}`)
  if (!(burst >= 1)) throw invalid(`burst must be a number from 1, not ${describe(burst)}`)
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
