import type { EventStore } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import { noop } from '../thenable.ts'
import type { Timer } from '../timers.ts'
import type { Claimer } from './claimer.ts'
import type { Connection } from './connection.ts'
import type { Leases } from './leases.ts'
import { isFinal } from './unavailable.ts'

interface LostAnswersHost {
  readonly store: EventStore
  readonly bus: StoreHost
  readonly connection: Connection
  readonly leases: Leases
  readonly claimer: Claimer
  /** Answers to calls that lease something, and have not arrived or not been read. */
  readonly arriving: Set<Promise<unknown>>
  /** Something is being leased, or was and is not held yet. */
  isBusy(): boolean
}

/**
 * What a claim or an append leases is lost to sight when its answer is: it would be held for as long as this worker lives. So once the
 * store answers again it is given back: by a new worker, if nothing depends on this one, or by telling the store what is known here.
 */
export class LostAnswers {
  readonly #host: LostAnswersHost
  /** Set while leases are compared with what is known here: nothing new is leased meanwhile. */
  #comparing: Promise<void> | undefined = undefined
  /** When they are compared again: as long as this worker has something to do, and so cannot give way to a new one. */
  #again: Timer | undefined = undefined

  constructor(host: LostAnswersHost) {
    this.#host = host
  }

  /** Asks the store for something that leases. */
  async leasing<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    while (this.#comparing) await this.#comparing
    const { arriving, connection } = this.#host
    let givenUp = false
    const asked = connection.call(() => {
      const answer = ask()
      // It has leased something after all, and nobody waits for it any more.
      answer.then(() => givenUp && this.#doubt(), noop)
      return answer
    })
    arriving.add(asked)
    try {
      return await asked
    } catch (error) {
      givenUp = true
      if (!isFinal(error)) connection.doubt()
      throw error
    } finally {
      arriving.delete(asked)
    }
  }

  close(): void {
    this.#host.bus.cancel(this.#again)
  }

  /** The store can be asked. Whether this worker gives way to a new one. */
  makeGood(): boolean {
    if (this.renews()) return true
    void this.#compare().catch(noop)
    return false
  }

  /** Whether this worker gives way to a new one, now that nothing here depends on it. */
  renews(): boolean {
    const { connection, leases } = this.#host
    const { isDoubtful, isUp, worker } = connection
    if (!isDoubtful || !isUp || worker === undefined || leases.inUse || this.#host.isBusy()) return false
    void connection.renew().catch(noop)
    return true
  }

  #doubt(): void {
    this.#host.connection.doubt()
    this.makeGood()
  }

  /** Gives back what is leased to this worker and unknown here, when nothing that leases is under way. */
  async #compare(): Promise<void> {
    const { bus, claimer, connection, leases, store } = this.#host
    bus.cancel(this.#again)
    const { isDoubtful, isUp, worker } = connection
    if (!store.releaseUnknown || !isDoubtful || !isUp || worker === undefined || this.#comparing) return
    const compared = Promise.withResolvers<void>()
    this.#comparing = compared.promise
    try {
      await leases.landed()
      const { known } = leases
      const released = await connection.call(() => store.releaseUnknown!(worker, known))
      // Not trusted yet: what the database still has under way, because it waits for a lock, may lease something later.
      this.#again = bus.after(store.settings.leaseMs, () => this.makeGood())
      if (released > 0) claimer.wake()
    } finally {
      this.#comparing = undefined
      compared.resolve()
    }
  }
}
