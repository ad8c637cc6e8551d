import { number } from './check-options.ts'
import type { CircuitPolicy } from './circuit-options.ts'
import { invalidOption } from './errors.ts'
import { SlidingWindow } from './sliding-window.ts'

/** What a circuit does with calls. Times are in milliseconds. */
export type CircuitState =
  /** They go through. */
  | { readonly is: 'closed'; readonly consecutiveFailures: number }
  /** They are refused, for so long. */
  | { readonly is: 'open'; readonly probesInMs: number }
  /** A few go through, to see. */
  | { readonly is: 'half-open'; readonly probing: number; readonly succeeded: number }

/** A circuit, as it is read and restored: plain JSON data. */
export interface CircuitSnapshot {
  readonly name: string
  readonly state: CircuitState
}

/** @throws {BusError} `INVALID_ARGUMENT` */
export const checkCircuits = (circuits: readonly CircuitSnapshot[]): void => {
  if (!Array.isArray(circuits)) throw invalidOption('circuits', 'what circuits() gave', circuits)
  circuits.forEach((circuit: CircuitSnapshot, index) => {
    if (typeof circuit?.name === 'string' && isState(circuit.state)) return
    throw invalidOption(`circuits[${index}]`, 'one that circuits() gave', circuit)
  })
}

const isState = (state: CircuitState | undefined): boolean => {
  if (state?.is === 'open') return number(0).fits(state.probesInMs)
  return state?.is === 'half-open' || (state?.is === 'closed' && number(0).fits(state.consecutiveFailures))
}

type Inner =
  | { readonly is: 'closed' }
  | { readonly is: 'open'; readonly until: number }
  | { readonly is: 'half-open'; probing: number; succeeded: number; since: number }

/** While it probes, how soon those who were refused may ask again: what they wait for is usually known by then. In milliseconds. */
const PROBED_WITHIN_MS = 1000

/** The right to make a call; it says which life of the circuit the call belongs to. */
export type Permit = number

interface CircuitHost {
  now(): number
  changed(circuit: Circuit): void
}

/**
 * Stops calls while they fail, and probes. Whoever acquires a permit settles it; what ends after the circuit has changed says
 * nothing about how it is now, and is not counted.
 */
export class Circuit {
  readonly name: string
  readonly policy: CircuitPolicy
  readonly #host: CircuitHost
  readonly #window: SlidingWindow | undefined
  #inner: Inner = { is: 'closed' }
  #consecutive = 0
  #life = 0

  constructor(name: string, policy: CircuitPolicy, host: CircuitHost) {
    this.name = name
    this.policy = policy
    this.#host = host
    this.#window = policy.sampling && new SlidingWindow(policy.sampling.windowMs)
  }

  get isClosed(): boolean {
    return this.#inner.is === 'closed'
  }

  get state(): CircuitState {
    const inner = this.#inner
    switch (inner.is) {
      case 'closed':
        return { is: 'closed', consecutiveFailures: this.#consecutive }
      case 'open':
        return { is: 'open', probesInMs: Math.max(0, inner.until - this.#host.now()) }
      case 'half-open':
        return { is: 'half-open', probing: inner.probing, succeeded: inner.succeeded }
    }
  }

  /** A permit to call; `undefined`: not now. */
  acquire(): Permit | undefined {
    if (this.#inner.is === 'closed') return this.#life
    if (this.#inner.is === 'open' && !this.halfOpen()) return undefined
    const inner = this.#inner
    if (inner.is !== 'half-open') return undefined
    const now = this.#host.now()
    // A probe that was never heard of must not keep the circuit from closing for ever.
    if (now - inner.since >= this.policy.openForMs) Object.assign(inner, { probing: 0, since: now })
    if (inner.probing + inner.succeeded >= this.policy.probes) return undefined
    inner.probing++
    return this.#life
  }

  /** Begins to probe if it has been open for long enough. */
  halfOpen(): boolean {
    const now = this.#host.now()
    if (this.#inner.is !== 'open' || now < this.#inner.until) return false
    this.#become({ is: 'half-open', probing: 0, succeeded: 0, since: now })
    return true
  }

  /** After how many milliseconds it is worth while to call again. */
  get retryAfterMs(): number {
    const inner = this.#inner
    if (inner.is === 'closed') return 0
    const now = this.#host.now()
    if (inner.is === 'open') return Math.max(0, inner.until - now)
    return Math.min(PROBED_WITHIN_MS, Math.max(0, inner.since + this.policy.openForMs - now))
  }

  succeeded(permit: Permit): void {
    if (permit !== this.#life) return
    const inner = this.#inner
    this.#consecutive = 0
    if (inner.is === 'closed') this.#window?.record(this.#host.now(), false)
    if (inner.is !== 'half-open') return
    inner.probing = Math.max(0, inner.probing - 1)
    if (++inner.succeeded >= this.policy.probes) this.#become({ is: 'closed' })
  }

  failed(permit: Permit, error: unknown): void {
    if (permit !== this.#life) return
    if (!counts(this.policy, error)) return this.succeeded(permit)
    if (this.#inner.is === 'half-open') return this.#open()
    this.#consecutive++
    this.#window?.record(this.#host.now(), true)
    if (this.#isTooMuch()) this.#open()
  }

  /** The call said nothing: it was aborted, or not made. */
  returned(permit: Permit): void {
    if (permit !== this.#life || this.#inner.is !== 'half-open') return
    this.#inner.probing = Math.max(0, this.#inner.probing - 1)
  }

  /** Takes up a state that was read before. Half-open it begins to probe anew. */
  restore(state: CircuitState): void {
    const now = this.#host.now()
    if (state.is === 'open') this.#become({ is: 'open', until: now + state.probesInMs })
    else if (state.is === 'half-open') this.#become({ is: 'open', until: now })
    else {
      this.#become({ is: 'closed' })
      this.#consecutive = state.consecutiveFailures
    }
  }

  #isTooMuch(): boolean {
    const { consecutive, sampling } = this.policy
    if (this.#consecutive >= consecutive) return true
    const window = this.#window
    if (!sampling || !window) return false
    return window.calls >= sampling.minimumCalls && window.failures >= sampling.failureRate * window.calls
  }

  #open(): void {
    this.#become({ is: 'open', until: this.#host.now() + this.policy.openForMs })
  }

  #become(inner: Inner): void {
    const before = this.#inner.is
    this.#inner = inner
    this.#life++
    this.#consecutive = 0
    this.#window?.clear()
    if (inner.is !== before || inner.is === 'open') this.#host.changed(this)
  }
}

/** A function of the user's that throws must not decide about the circuit. */
const counts = ({ countIf }: CircuitPolicy, error: unknown): boolean => {
  try {
    return countIf === undefined || countIf(error)
  } catch {
    return true
  }
}
