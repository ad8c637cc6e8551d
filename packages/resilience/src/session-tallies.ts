import { statsOf, Tally } from './handler-stats.ts'
import type { NamedStats } from './resilience.ts'

/** Figures of the sessions that were used last, up to so many. */
export class SessionTallies {
  readonly #limit: number
  readonly #tallies = new Map<string, Tally>()

  constructor(limit: number) {
    this.#limit = limit
  }

  of(sessionId: string): Tally | undefined {
    if (this.#limit === 0) return undefined
    const tally = this.#tallies.get(sessionId) ?? new Tally()
    // What was used last is last, so that the first is what has been unused for longest.
    this.#tallies.delete(sessionId)
    this.#tallies.set(sessionId, tally)
    if (this.#tallies.size > this.#limit) this.#tallies.delete(this.#tallies.keys().next().value!)
    return tally
  }

  stats(now: number): readonly NamedStats[] {
    return [...this.#tallies].map(([sessionId, tally]) => {
      return { handler: undefined, type: undefined, sessionId, ...statsOf([tally], now) }
    })
  }
}
