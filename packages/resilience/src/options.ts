import { any, checkOptions, number, optionalFunction, text, whole } from './check-options.ts'
import { checkIntakePause, type IntakePauseOptions } from './intake-pause.ts'
import type { Redaction } from './redactor.ts'
import { checkPolicies, type ResiliencePolicies } from './policies.ts'
import type { FailureFacts, Recovery } from './recoverability.ts'

/** Options of {@link resilience}. Those of {@link ResiliencePolicies} hold where a type or a handler says nothing else. */
export interface ResilienceOptions extends ResiliencePolicies {
  /**
   * Has the last word about each failure; `byDefault` is what the options say. Called at once, and must answer at once; if it throws, or
   * gives what is no recovery, the default holds, and the log says so.
   */
  readonly recover?: ((facts: FailureFacts, byDefault: Recovery) => Recovery) | undefined
  /** How long a handler may take to end after its timeout before it is reported as a runaway, in milliseconds. Default 1,000. */
  readonly graceMs?: number | undefined
  /** Stops the claiming of a stored type while too much of it fails. Default: never. */
  readonly intakePause?: IntakePauseOptions | undefined
  /** How many dead letters are kept in memory, if they cannot be in a store: a whole number from 0. Default 1,000. */
  readonly lettersInMemory?: number | undefined
  /** What is taken out of dead letters before they are kept. */
  readonly redact?: Redaction | undefined
  /** While an event of a session is in the dead letters, later stored events of it go there too, in order. Default `false`. */
  readonly sequences?: boolean | undefined
  /** For how many sessions figures are kept: the longest unused are forgotten. Default 0: none. */
  readonly sessionStats?: number | undefined
  /** What dead letters call this process. Default: its process id. */
  readonly node?: string | undefined
  /** From 0 up to but not including 1: what jitter is made of. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkResilience = (options: ResilienceOptions): void => {
  checkOptions('resilience', options, {
    retry: any,
    timeoutMs: any,
    circuitBreaker: any,
    intakePause: any,
    redact: any,
    recover: optionalFunction,
    graceMs: number(0),
    lettersInMemory: whole(0),
    sequences: { what: 'a boolean', fits: (value) => typeof value === 'boolean' },
    sessionStats: whole(0),
    node: text,
    random: optionalFunction,
  })
  const { retry, timeoutMs, circuitBreaker, intakePause, redact } = options
  checkPolicies('', { retry, timeoutMs, circuitBreaker })
  checkIntakePause('intakePause', intakePause)
  if (redact !== undefined) {
    checkOptions('redact', redact, { payload: optionalFunction, metadata: optionalFunction, error: optionalFunction })
  }
}
