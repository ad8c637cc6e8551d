// The plugin
export { type GuardedHandler, type NamedStats, type Resilience, resilience } from './resilience.ts'
export type { ResilienceOptions } from './options.ts'
export type { HandlerLimits, ResiliencePolicies } from './policies.ts'

// What becomes of a failure
export { type FailureFacts, recover, type Recovery } from './recoverability.ts'
export type { RetryOptions, RetryPolicy } from './retry.ts'

// Limits
export type { BulkheadOptions } from './bulkhead.ts'
export type { CircuitSnapshot, CircuitState } from './circuit.ts'
export type { CircuitBreakerOptions, SamplingOptions } from './circuit-options.ts'
export type { IntakePauseOptions } from './intake-pause.ts'
export type { RateLimitOptions } from './rate-limit.ts'

// Dead letters
export type { DeadAttempt, DeadHandler, DeadLetter } from './dead-letter.ts'
export type { DeadLetterCounts, DeadLetters, PayloadOf, ReplayOptions, ReplayResult } from './dead-letters.ts'
export type { DeadLetterFilter, TypeKey } from './letter-filter.ts'
export type { Redaction } from './redactor.ts'

// Looking in
export type { HandlerStats, LastFailure } from './handler-stats.ts'

// Errors and system events
export {
  CircuitOpenError,
  HandlerTimeoutError,
  NonRetryableError,
  ResilienceErrorCode,
  RetryAfterError,
} from './errors.ts'
export {
  CircuitClosed,
  CircuitHalfOpened,
  CircuitOpened,
  type CircuitPayload,
  CommandDeadLettered,
  DeadLetterMoved,
  EventDeadLettered,
  type DeadLetteredPayload,
  HandlerRanAway,
  IntakePaused,
  IntakeResumed,
} from './events.ts'
