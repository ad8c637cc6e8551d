import type { Inspectable, Page, StoreCounts, StoredEvent, StoredEventQuery } from '@buslane/core'
import type { Database } from './database.ts'
import { cancel, reschedule, retryNow } from './moving.ts'
import { mapPage } from './ordered-entries.ts'
import type { Row } from './stored-row.ts'

/** Shows people what is in a database in memory, and moves it for them. */
export class MemoryInspect implements Inspectable {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  counts(): Promise<StoreCounts> {
    return this.#db.run(() => {
      const { now, letters, events } = this.#db
      const { counts, oldestReadyAt, workers } = events
      const late = [...workers.values()].filter(({ leaseUntil }) => leaseUntil < now)
      return {
        ...counts,
        deadLetters: letters?.rows.size ?? 0,
        oldestReadyMs: Math.max(0, now - (oldestReadyAt ?? now)),
        stuck: late.reduce((sum, { held }) => sum + held.size, 0),
        workers: workers.size - late.length,
      }
    })
  }

  list(query: StoredEventQuery = {}): Promise<Page<StoredEvent>> {
    return this.#db.run(() => {
      const { state, type, sessionId } = query
      const page = this.#db.events.rows.page(
        query,
        ({ place, message }) =>
          (state === undefined || place.state === state) &&
          (type === undefined || message.type === type) &&
          (sessionId === undefined || message.sessionId === sessionId),
      )
      return mapPage(page, shown)
    })
  }

  get(key: string): Promise<StoredEvent | undefined> {
    return this.#db.run(() => {
      const row = this.#db.events.rows.get(key)
      return row && shown(row)
    })
  }

  cancel(key: string): Promise<'cancelled' | 'too-late'> {
    return this.#db.run(() => cancel(this.#db, key, { dead: true }))
  }

  reschedule(
    key: string,
    due: { readonly at: number } | { readonly delayMs: number },
  ): Promise<'rescheduled' | 'too-late'> {
    return this.#db.run(() => reschedule(this.#db, key, due))
  }

  retryNow(key: string): Promise<'readied' | 'too-late'> {
    return this.#db.run(() => retryNow(this.#db, key))
  }
}

const shown = (row: Row): StoredEvent => {
  const { place, key, message, lane, priority, acceptedAt, dueAt, unreported, interruptions, progress, replays } = row
  return {
    key,
    state: place.state,
    message,
    lane,
    priority,
    acceptedAt,
    dueAt,
    started: place.state === 'running' && place.started,
    unreported,
    interruptions,
    progress,
    error: place.state === 'undecodable' || place.state === 'dead' ? place.error : undefined,
    worker: place.state === 'running' ? place.worker : undefined,
    replays,
  }
}
