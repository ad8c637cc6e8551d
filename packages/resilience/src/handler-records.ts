import type { WrappedHandler } from '@buslane/core'
import { Circuit, type CircuitSnapshot, type CircuitState } from './circuit.ts'
import { type GuardHost, HandlerGuard, type HandlerRecord } from './handler-guard.ts'
import { identityOf } from './handler-identity.ts'
import { statsOf, Tally } from './handler-stats.ts'
import { policyOf, type ResiliencePolicies } from './policies.ts'
import type { GuardedHandler, NamedStats } from './resilience.ts'

/** Handlers of so many names and types are told apart; beyond that the first are forgotten. */
const MAX_RECORDS = 10_000

interface RecordsHost {
  /** What holds where a type or a handler says nothing else. */
  readonly policies: ResiliencePolicies
  readonly guards: GuardHost
  readonly changed: (circuit: Circuit) => void
}

/** The guards of a bus's handlers, and what those of one name and type share: figures, and a circuit. */
export class HandlerRecords {
  readonly #host: RecordsHost
  readonly #records = new Map<string, HandlerRecord>()
  readonly #guards = new WeakMap<object, Map<string, HandlerGuard>>()
  /** Types with a handler that has no name of its own: a store cannot keep their events. */
  readonly #unnamed = new Set<string>()
  readonly #restored = new Map<string, CircuitState>()

  constructor(host: RecordsHost) {
    this.#host = host
  }

  guardOf(handler: WrappedHandler): HandlerGuard {
    const { kind, type, registration } = handler
    if (kind === 'event' && identityOf(registration) === undefined) this.#unnamed.add(type)
    let guards = this.#guards.get(registration)
    if (!guards) this.#guards.set(registration, (guards = new Map<string, HandlerGuard>()))
    let guard = guards.get(type)
    if (!guard) guards.set(type, (guard = new HandlerGuard(this.#host.guards, this.#recordOf(handler), handler)))
    return guard
  }

  isStorable(type: string): boolean {
    return !this.#unnamed.has(type)
  }

  get circuits(): readonly CircuitSnapshot[] {
    return [...this.#records.values()].flatMap(({ circuit }) =>
      circuit ? [{ name: circuit.name, state: circuit.state }] : [],
    )
  }

  restore(circuits: readonly CircuitSnapshot[]): void {
    for (const { name, state } of circuits) {
      const record = this.#records.get(name)
      if (record?.circuit) record.circuit.restore(state)
      else this.#restored.set(name, state)
    }
  }

  get policies(): readonly GuardedHandler[] {
    return [...this.#records.values()].map(({ kind, type, name, policy, circuit }) => {
      const { retry, timeoutMs } = policy
      return { kind, type, handler: name, maxAttempts: retry.maxAttempts, timeoutMs, circuit: circuit?.name }
    })
  }

  statsByHandler(now: number): readonly NamedStats[] {
    return [...this.#records.values()].map(({ name, type, tally }) => {
      return { handler: name, type, sessionId: undefined, ...statsOf([tally], now) }
    })
  }

  statsByType(now: number): readonly NamedStats[] {
    return [...Map.groupBy(this.#records.values(), ({ type }) => type)].map(([type, those]) => {
      const tallies = those.map(({ tally }) => tally)
      return { handler: undefined, type, sessionId: undefined, ...statsOf(tallies, now) }
    })
  }

  #recordOf(handler: WrappedHandler): HandlerRecord {
    const { guards, policies, changed } = this.#host
    const { kind, type, registration } = handler
    const { name } = registration
    const key = kind === 'command' ? type : `${type} ${name}`
    const known = this.#records.get(key)
    if (known) return known
    const policy = policyOf(policies, handler)
    const circuit = policy.circuit && new Circuit(key, policy.circuit, { now: () => guards.clock.monotonic(), changed })
    const record: HandlerRecord = { kind, type, name, policy, tally: new Tally(), circuit }
    this.#records.set(key, record)
    const restored = this.#restored.get(key)
    if (restored) circuit?.restore(restored)
    this.#restored.delete(key)
    if (this.#records.size > MAX_RECORDS) this.#records.delete(this.#records.keys().next().value!)
    return record
  }
}
