import { describe } from '../errors.ts'
import type { EventMessage } from '../message.ts'
import type { EventLog, StoredMessage } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import { storeMessage } from './stored-message.ts'

const CAPACITY = 10_000

/** What the writer needs of the runner around it. */
interface WriterHost {
  readonly batchSize: number
  write(messages: readonly StoredMessage[]): Promise<void>
  /** Resolves when the store can be asked again; `false`: it will not be. */
  whenUp(): Promise<boolean>
}

/**
 * Writes events in memory to the event log, behind their publishing: at most 10,000 wait, and what does not fit, or cannot be
 * written as JSON, is counted as lost. Stored events are logged by the store itself, in their own commit.
 */
export class EventLogWriter {
  lost = 0
  readonly #bus: StoreHost
  readonly #host: WriterHost
  #waiting: StoredMessage[] = []
  #writing: Promise<void> | undefined = undefined

  constructor(log: EventLog, bus: StoreHost, host: WriterHost) {
    this.#bus = bus
    this.#host = host
    bus.observe({
      eventAccepted: (event, { durability }) => {
        if (durability === undefined && log.records(event.type)) this.#add(event)
      },
    })
  }

  /** Resolves when nothing waits to be written. */
  async flushed(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  /** The store can be used, now or again. */
  up(): void {
    if (this.#waiting.length > 0) this.#writing ??= this.#write()
  }

  #add(event: EventMessage): void {
    if (this.#waiting.length >= CAPACITY) return this.#lose(1, `${CAPACITY} events wait for it already`)
    try {
      this.#waiting.push(storeMessage(event, undefined, undefined))
    } catch (error) {
      return this.#lose(1, describe(error))
    }
    this.#writing ??= this.#write()
  }

  async #write(): Promise<void> {
    await Promise.resolve() // what is published in one go shares a write
    while (this.#waiting.length > 0 && (await this.#host.whenUp())) {
      const batch = this.#waiting.splice(0, this.#host.batchSize)
      try {
        await this.#host.write(batch)
      } catch (error) {
        // Trouble with the store: it may have been written, and a log with gaps is better than one with repetitions.
        this.#lose(batch.length, describe(error))
      }
    }
    this.#writing = undefined
  }

  #lose(count: number, why: string): void {
    if (this.lost === 0) {
      this.#bus.logger.warn(
        {},
        `An event could not be written to the event log: ${why}. Further losses are only counted`,
      )
    }
    this.lost += count
  }
}
