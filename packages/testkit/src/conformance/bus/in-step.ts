import type { EventStore, Persistence } from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'
import { VirtualClock } from '../../virtual-clock.ts'

/** A persistence whose times come from a clock of its own, such as a database's. */
export interface StoreWithClock {
  readonly persistence: Persistence
  /** Sets the clock of the store, epoch milliseconds. Before anything is asked of the store at that time; it is asked nothing meanwhile. */
  setTime(at: number): Promise<void>
  /** Frees everything. The suite has stopped the buses, and so closed the stores, before. */
  close(): Promise<void>
}

/** Time does not pass while a store is asked for something, however long that takes. */
export class PatientClock extends VirtualClock {
  readonly #asked = new Set<Promise<unknown>>()

  /** Resolves as `answer` does, and lets no time pass before. */
  async wait<Answer>(answer: Promise<Answer>): Promise<Answer> {
    this.#asked.add(answer)
    try {
      return await answer
    } finally {
      this.#asked.delete(answer)
    }
  }

  override async settle(): Promise<void> {
    await super.settle()
    while (this.#asked.size > 0) {
      await Promise.allSettled(this.#asked)
      await super.settle()
    }
  }
}

/** What may make work for other workers: they are told at once, so that nobody waits for a notification that takes its time. */
const TELLING: ReadonlySet<unknown> = new Set([
  'append',
  'appendIn',
  'report',
  'leave',
  'releaseUnknown',
  'sweep',
  'replay',
  'retryNow',
])

/** The persistence with its clock in step with that of the buses. */
export const inStep = (store: StoreWithClock, clock: PatientClock): Persistence => {
  const { persistence } = store
  const listeners = new Set<() => void>()
  let isSet: { readonly at: number; readonly done: Promise<void> } | undefined
  const atItsTime = (): Promise<void> => {
    const at = clock.now()
    if (isSet?.at !== at) isSet = { at, done: store.setTime(at) }
    return isSet.done
  }
  const wrapped = <Part extends object>(part: Part, own: Partial<Record<PropertyKey, unknown>> = {}): Part =>
    new Proxy(part, {
      get: (target, name) => {
        if (name in own) return own[name]
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        const verb = value.bind(target) as (...given: readonly unknown[]) => unknown
        return async (...given: readonly unknown[]) => {
          const answer = await clock.wait(atItsTime().then(() => verb(...given)))
          if (TELLING.has(name)) for (const listener of listeners) listener()
          return answer
        }
      },
    })
  const events: EventStore = wrapped(persistence.events!, {
    run: (host: Parameters<EventStore['run']>[0]) => runStore(events, host),
    onHint: (listener: () => void): Disposable => {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
  })
  const { deadLetters, inspect } = persistence
  return {
    ...persistence,
    events,
    deadLetters: deadLetters && wrapped(deadLetters),
    inspect: inspect && wrapped(inspect),
  }
}
