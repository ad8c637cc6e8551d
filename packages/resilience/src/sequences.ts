import { BUS, type DeadLetterStore, type Message } from '@buslane/core'
import { sequenceBlocked } from './errors.ts'

/**
 * Keeps the events of a session in order behind one that is in the dead letters. What is earlier is told by ids, which are in the order in
 * which messages were made. The store is asked for each event: another process may have given one up a moment ago.
 */
export class Sequences {
  readonly #store: DeadLetterStore
  /** All handlers of one event ask once. */
  readonly #asked = new WeakMap<Message, Promise<void>>()

  constructor(store: DeadLetterStore) {
    this.#store = store
  }

  /** Rejects with `SEQUENCE_BLOCKED` if an earlier event of the session is in the dead letters. */
  inOrder(message: Message): Promise<void> | undefined {
    if (message.sessionId === BUS) return undefined
    let asked = this.#asked.get(message)
    if (!asked) {
      asked = this.#ask(message)
      this.#asked.set(message, asked)
    }
    return asked
  }

  async #ask({ sessionId, id }: Message): Promise<void> {
    let cursor: string | undefined
    do {
      const page = await this.#store.list({ sessionId, cursor, limit: 1000 })
      const earlier = page.entries.find(({ message }) => message.kind === 'event' && message.id < id)
      if (earlier) throw sequenceBlocked(sessionId, earlier.key)
      cursor = page.next
    } while (cursor !== undefined)
  }
}
