import type { PluginOptions, WrappedHandler } from '@buslane/core'
import { type BulkheadOptions, checkBulkhead } from './bulkhead.ts'
import { number } from './check-options.ts'
import { checkCircuit, type CircuitBreakerOptions, circuitPolicy, type CircuitPolicy } from './circuit-options.ts'
import { invalidOption } from './errors.ts'
import { checkRateLimit, type RateLimitOptions } from './rate-limit.ts'
import { checkRetry, retryPolicy, type RetryOptions, type RetryPolicy } from './retry.ts'

/**
 * What `resilience()` adds to the options of handlers and of definitions. A handler's say more than those of its type, and
 * those more than those of the bus.
 */
export interface ResiliencePolicies {
  /** How a failure is tried again; `false`: not at all. Default: 3 times, with growing waits. */
  readonly retry?: RetryOptions | false | undefined
  /** One attempt is aborted after so many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** Stops calls while they fail; `true`: after 5 failures in a row, for 30 s. Default `false`. */
  readonly circuitBreaker?: CircuitBreakerOptions | boolean | undefined
}

/** What it adds to the options of handlers alone. */
export interface HandlerLimits {
  /** How many calls of the handler run at once. Default: no limit. */
  readonly bulkhead?: BulkheadOptions | undefined
  /** How often the handler is called. Default: no limit. */
  readonly rateLimit?: RateLimitOptions | undefined
}

const POLICIES: readonly (keyof ResiliencePolicies)[] = ['retry', 'timeoutMs', 'circuitBreaker']
const HANDLER: readonly (keyof Handler)[] = [...POLICIES, 'bulkhead', 'rateLimit']

/** What is declared below, for the bus. */
export const ADDED: PluginOptions = { on: HANDLER, handle: HANDLER }

type EventType = ResiliencePolicies
type CommandType = ResiliencePolicies
type Handler = ResiliencePolicies & HandlerLimits

declare module '@buslane/core' {
  interface HandlerOptions extends Handler {}
  interface CommandHandlerOptions extends Handler {}
  interface EventDefinitionOptions extends EventType {}
  interface CommandDefinitionOptions extends CommandType {}
}

/** What holds for one handler and type, all layers together. */
export interface HandlerPolicy {
  readonly retry: RetryPolicy
  readonly timeoutMs: number | undefined
  readonly circuit: CircuitPolicy | undefined
  readonly bulkhead: BulkheadOptions | undefined
  readonly rateLimit: RateLimitOptions | undefined
}

export const policyOf = (bus: ResiliencePolicies, { definition, registration }: WrappedHandler): HandlerPolicy => {
  const { options = {} } = registration
  const layers: readonly ResiliencePolicies[] = [bus, definition?.options ?? {}, options]
  const last = <Name extends keyof ResiliencePolicies>(name: Name): ResiliencePolicies[Name] =>
    layers.findLast((layer) => layer[name] !== undefined)?.[name]
  const breaker = last('circuitBreaker')
  return {
    retry: retryPolicy(layers.map(({ retry }) => retry)),
    timeoutMs: last('timeoutMs') === Infinity ? undefined : last('timeoutMs'),
    circuit: breaker === undefined || breaker === false ? undefined : circuitPolicy(breaker),
    bulkhead: options.bulkhead,
    rateLimit: options.rateLimit,
  }
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkPolicies = (where: string, options: ResiliencePolicies & HandlerLimits): void => {
  const { retry, timeoutMs, circuitBreaker, bulkhead, rateLimit } = options
  const at = (name: string): string => (where === '' ? name : `${where}.${name}`)
  checkRetry(at('retry'), retry)
  const above = number(Number.MIN_VALUE)
  if (timeoutMs !== undefined && !above.fits(timeoutMs))
    throw invalidOption(at('timeoutMs'), 'a number above 0', timeoutMs)
  checkCircuit(at('circuitBreaker'), circuitBreaker)
  checkBulkhead(at('bulkhead'), bulkhead)
  checkRateLimit(at('rateLimit'), rateLimit)
}
