import type { EventStore, Persistence } from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'

/** What a call to the store meets: it is refused, never answered, or done without its answer arriving. */
export type Fault = 'reject' | 'hang' | 'answer-lost'

/** An answer of the store that is on its way. */
export interface HeldAnswer {
  /** What the store answered, as soon as it has. */
  readonly answer: Promise<unknown>
  release(): void
}

interface LateAnswer {
  arrived(answer: unknown): void
  readonly released: Promise<void>
}

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
  'close',
])

/** A real store that can be cut off from the bus, as a network does it. */
export class FaultyStore {
  readonly persistence: Persistence
  /** Every verb meets this. */
  fault: Fault | undefined = undefined
  /** The next call of a verb meets this, once. */
  readonly once: Map<string, Fault> = new Map()
  /** Calls for which it holds are refused, with the error that it gives. */
  refuses: (verb: string, given: readonly unknown[]) => boolean | Error = () => false
  /** How often each verb was called. */
  readonly calls: Map<string, number> = new Map()
  /** The next answer of a verb waits for this. */
  readonly #late = new Map<string, LateAnswer>()

  constructor(persistence: Persistence, { hints = true }: { readonly hints?: boolean } = {}) {
    const events: EventStore = new Proxy(persistence.events!, {
      get: (store, name) => {
        if (name === 'run') return (host: Parameters<EventStore['run']>[0]) => runStore(events, host)
        if (name === 'onHint' && !hints) return undefined
        const value: unknown = Reflect.get(store, name, store)
        if (typeof value !== 'function') return value
        const verb = value.bind(store) as (...given: readonly unknown[]) => Promise<unknown>
        return VERBS.has(name) ? (...given: readonly unknown[]) => this.#call(String(name), verb, given) : verb
      },
    })
    this.persistence = { ...persistence, events }
  }

  /** The next call of the verb is done, and its answer arrives when it is let go. */
  holdAnswer(verb: string): HeldAnswer {
    const arrived = Promise.withResolvers<unknown>()
    const released = Promise.withResolvers<void>()
    this.#late.set(verb, { arrived: arrived.resolve, released: released.promise })
    return { answer: arrived.promise, release: released.resolve }
  }

  async #call(
    name: string,
    verb: (...given: readonly unknown[]) => Promise<unknown>,
    given: readonly unknown[],
  ): Promise<unknown> {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    const fault = this.once.get(name) ?? this.fault
    this.once.delete(name)
    const refused = fault === 'reject' || this.refuses(name, given)
    if (refused !== false) throw refused === true ? new Error('no connection') : refused
    if (fault === 'hang') return await new Promise(() => undefined)
    const answer = await verb(...given)
    const late = this.#late.get(name)
    this.#late.delete(name)
    late?.arrived(answer)
    await late?.released
    if (fault === 'answer-lost') throw new Error('connection reset')
    return answer
  }
}
