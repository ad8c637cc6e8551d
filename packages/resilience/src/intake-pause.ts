import type { Clock, ClockTimer } from '@buslane/core'
import { Circuit } from './circuit.ts'
import { checkSampling, type SamplingOptions } from './circuit-options.ts'
import { above0, checkOptions, whole } from './check-options.ts'
import { invalidOption } from './errors.ts'

/** When the claiming of a stored type is stopped, instead of filling the dead letters. */
export interface IntakePauseOptions extends SamplingOptions {
  /** For how long nothing is claimed before it is tried again, in milliseconds. Default 5,000. */
  readonly pauseForMs?: number | undefined
  /** How many events are tried then; the others go back unhandled. Default 1. */
  readonly probes?: number | undefined
}

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const checkIntakePause = (where: string, options: IntakePauseOptions | undefined): void => {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) throw invalidOption(where, 'an object', options)
  const { pauseForMs, probes, ...sampling } = options
  checkOptions(where, { pauseForMs, probes }, { pauseForMs: above0, probes: whole(1) })
  checkSampling(where, sampling)
}

interface IntakeHost {
  readonly clock: Clock
  gate(type: string, isOpen: boolean): void
  paused(type: string): void
  resumed(type: string): void
}

/** A circuit per stored type, whose opening stops the claims of the type. */
export class IntakePause {
  readonly #options: IntakePauseOptions
  readonly #host: IntakeHost
  readonly #circuits = new Map<string, Circuit>()
  readonly #timers = new Map<string, ClockTimer>()

  constructor(options: IntakePauseOptions, host: IntakeHost) {
    this.#options = options
    this.#host = host
  }

  of(type: string): Circuit {
    let circuit = this.#circuits.get(type)
    if (circuit === undefined) {
      const { failureRate, windowMs = 10_000, minimumCalls = 20, pauseForMs = 5000, probes = 1 } = this.#options
      const sampling = { failureRate, windowMs, minimumCalls }
      const policy = { consecutive: Infinity, sampling, openForMs: pauseForMs, probes, countIf: undefined }
      const { clock } = this.#host
      circuit = new Circuit(type, policy, { now: () => clock.monotonic(), changed: () => this.#changed(type) })
      this.#circuits.set(type, circuit)
    }
    return circuit
  }

  /** How long a type is not to be touched yet; `undefined` if it is not paused. At least a second, so that the store keeps it. */
  pausedMs(type: string): number | undefined {
    const circuit = this.#circuits.get(type)
    if (!circuit || circuit.isClosed) return undefined
    const { pauseForMs = 5000 } = this.#options
    return Math.max(1000, circuit.state.is === 'open' ? circuit.retryAfterMs : pauseForMs)
  }

  /** The types that are paused. */
  get paused(): readonly string[] {
    return [...this.#circuits.values()].filter(({ state }) => state.is === 'open').map(({ name }) => name)
  }

  stop(): void {
    for (const timer of this.#timers.values()) this.#host.clock.clearTimer(timer)
    this.#timers.clear()
  }

  start(): void {
    for (const type of this.paused) this.#wait(type)
  }

  #changed(type: string): void {
    const { is } = this.of(type).state
    this.#host.gate(type, is !== 'open')
    if (is === 'open') {
      this.#host.paused(type)
      this.#wait(type)
    } else if (is === 'closed') this.#host.resumed(type)
  }

  #wait(type: string): void {
    const { clock } = this.#host
    clock.clearTimer(this.#timers.get(type))
    const probe = (): void => {
      this.#timers.delete(type)
      if (!this.of(type).halfOpen() && this.of(type).state.is === 'open') this.#wait(type)
    }
    this.#timers.set(type, clock.setTimer(probe, Math.ceil(this.of(type).retryAfterMs)))
  }
}
