import { above0, checkOptions, number, optionalFunction, whole } from './check-options.ts'
import { invalidOption } from './errors.ts'

/** When a share of calls fails. */
export interface SamplingOptions {
  /** The circuit opens when this share of calls fails: above 0, up to 1. */
  readonly failureRate: number
  /** Calls that ended within so many milliseconds count. Default 10,000. */
  readonly windowMs?: number | undefined
  /** Fewer calls in the window say nothing. Default 20. */
  readonly minimumCalls?: number | undefined
}

/** When calls stop going through, and how they are tried again. */
export interface CircuitBreakerOptions {
  /** Opens after so many failures in a row. Default 5, unless `sampling` is given. */
  readonly consecutive?: number | undefined
  /** Opens when a share of calls fails. */
  readonly sampling?: SamplingOptions | undefined
  /** For how long it refuses calls before it probes, in milliseconds. Default 30,000. */
  readonly openForMs?: number | undefined
  /** How many calls go through half-open; it closes when so many have succeeded, and opens when one fails. Default 1. */
  readonly probes?: number | undefined
  /** Whether an error counts as a failure. Default: every error does. */
  readonly countIf?: ((error: unknown) => boolean) | undefined
}

/** Complete {@link CircuitBreakerOptions}. */
export interface CircuitPolicy {
  readonly consecutive: number
  readonly sampling:
    | { readonly failureRate: number; readonly windowMs: number; readonly minimumCalls: number }
    | undefined
  readonly openForMs: number
  readonly probes: number
  readonly countIf: ((error: unknown) => boolean) | undefined
}

export const circuitPolicy = (given: CircuitBreakerOptions | true): CircuitPolicy => {
  const { consecutive, sampling, openForMs = 30_000, probes = 1, countIf } = given === true ? {} : given
  return {
    consecutive: consecutive ?? (sampling ? Infinity : 5),
    sampling: sampling && {
      failureRate: sampling.failureRate,
      windowMs: sampling.windowMs ?? 10_000,
      minimumCalls: sampling.minimumCalls ?? 20,
    },
    openForMs,
    probes,
    countIf,
  }
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkCircuit = (where: string, options: CircuitBreakerOptions | boolean | undefined): void => {
  if (options === undefined || typeof options === 'boolean') return
  checkOptions(where, options, {
    consecutive: whole(1),
    sampling: { what: 'an object', fits: (value) => typeof value === 'object' && value !== null },
    openForMs: above0,
    probes: { what: 'a whole number from 1', fits: (value) => Number.isInteger(value) && (value as number) >= 1 },
    countIf: optionalFunction,
  })
  if (options.sampling) checkSampling(`${where}.sampling`, options.sampling)
}

export const checkSampling = (where: string, options: SamplingOptions): void => {
  if (options.failureRate === undefined) throw invalidOption(`${where}.failureRate`, 'given', undefined)
  checkOptions(where, options, {
    failureRate: { what: 'a share above 0, up to 1', fits: (value) => above0.fits(value) && number(0, 1).fits(value) },
    windowMs: { what: 'a number of milliseconds above 0', fits: (value) => above0.fits(value) && value !== Infinity },
    minimumCalls: whole(1),
  })
}
