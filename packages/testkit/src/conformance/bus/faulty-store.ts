import type { EventStore, Persistence } from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'

/** What a call to the store meets: it is refused, never answered, or done without its answer arriving. */
export type Fault = 'reject' | 'hang' | 'answer-lost'

const VERBS: ReadonlySet<unknown> = new Set([
  'open',
  'join',
  'heartbeat',
  'append',
  'claim',
  'report',
  'ready',
  'sweep',
  'leave',
  'cancel',
])

/** A real store that can be cut off from the bus, as a network does it. */
export class FaultyStore {
  readonly persistence: Persistence
  /** Every verb meets this. */
  fault: Fault | undefined = undefined
  /** The next call of a verb meets this, once. */
  readonly once: Map<string, Fault> = new Map()

  constructor(persistence: Persistence) {
    const events: EventStore = new Proxy(persistence.events!, {
      get: (store, name) => {
        if (name === 'run') return (host: Parameters<EventStore['run']>[0]) => runStore(events, host)
        const value: unknown = Reflect.get(store, name, store)
        if (typeof value !== 'function') return value
        const verb = value.bind(store) as (...given: readonly unknown[]) => Promise<unknown>
        return VERBS.has(name) ? (...given: readonly unknown[]) => this.#call(String(name), () => verb(...given)) : verb
      },
    })
    this.persistence = { ...persistence, events }
  }

  async #call(name: string, verb: () => Promise<unknown>): Promise<unknown> {
    const fault = this.once.get(name) ?? this.fault
    this.once.delete(name)
    if (fault === 'reject') throw new Error('no connection')
    if (fault === 'hang') return await new Promise(() => undefined)
    const answer = await verb()
    if (fault === 'answer-lost') throw new Error('connection reset')
    return answer
  }
}
