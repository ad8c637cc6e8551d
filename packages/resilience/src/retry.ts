import { checkOptions, number, oneOf, optionalFunction, whole } from './check-options.ts'

/** When and how often a failed handler is tried again. */
export interface RetryOptions {
  /** How often it runs again after the first time: a whole number from 0. Default 3, so 4 attempts in all. */
  readonly maxRetries?: number | undefined
  /** The wait before the second attempt, in milliseconds, before jitter. Default 100. */
  readonly initialDelayMs?: number | undefined
  /** No wait is longer, in milliseconds. Default 10,000. */
  readonly maxDelayMs?: number | undefined
  /** What each wait is multiplied with to make the next: from 1. Default 2. */
  readonly factor?: number | undefined
  /**
   * How chance spreads retries, so that they do not come all at once: `full` between 0 and the wait, `equal` between half of it and
   * all, `none`. Default `full`.
   */
  readonly jitter?: 'full' | 'equal' | 'none' | undefined
  /** No attempt begins later than so long after the first failure that this process saw, in milliseconds. Default: no limit. */
  readonly deadlineMs?: number | undefined
  /** Whether an error is worth another attempt. Default: all but {@link NonRetryableError} and errors with `retryable: false`. */
  readonly retryIf?: ((error: unknown) => boolean) | undefined
}

/** Complete {@link RetryOptions}. */
export interface RetryPolicy {
  /** All attempts, the first included: 1 if nothing is tried again. The one number that says how often a handler may run. */
  readonly maxAttempts: number
  readonly initialDelayMs: number
  readonly maxDelayMs: number
  readonly factor: number
  readonly jitter: 'full' | 'equal' | 'none'
  readonly deadlineMs: number
  readonly retryIf: ((error: unknown) => boolean) | undefined
}

const DEFAULTS: RetryPolicy = {
  maxAttempts: 4,
  initialDelayMs: 100,
  maxDelayMs: 10_000,
  factor: 2,
  jitter: 'full',
  deadlineMs: Infinity,
  retryIf: undefined,
}

/** The later options say what they want different from the earlier ones. `false`: nothing is tried again. */
export const retryPolicy = (layers: readonly (RetryOptions | false | undefined)[]): RetryPolicy => {
  let policy = DEFAULTS
  for (const layer of layers) {
    if (layer === undefined) continue
    if (layer === false) {
      policy = { ...policy, maxAttempts: 1 }
      continue
    }
    const { maxRetries, ...others } = layer
    const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined))
    policy = { ...policy, ...given, ...(maxRetries !== undefined && { maxAttempts: maxRetries + 1 }) }
  }
  return policy
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkRetry = (where: string, options: RetryOptions | false | undefined): void => {
  if (options === undefined || options === false) return
  checkOptions(where, options, {
    maxRetries: whole(0),
    initialDelayMs: number(0),
    maxDelayMs: number(0),
    factor: number(1),
    jitter: oneOf('full', 'equal', 'none'),
    deadlineMs: number(0),
    retryIf: optionalFunction,
  })
}

/** The wait before the attempt after so many, in milliseconds; `random` is from 0 up to but not including 1. */
export const backOffMs = (
  { initialDelayMs, maxDelayMs, factor, jitter }: RetryPolicy,
  attempts: number,
  random: number,
): number => {
  // 0 x Infinity is no number.
  const wait = initialDelayMs === 0 ? 0 : Math.min(maxDelayMs, initialDelayMs * factor ** (attempts - 1))
  if (jitter === 'none') return wait
  return wait * (jitter === 'full' ? random : 0.5 + random / 2)
}
