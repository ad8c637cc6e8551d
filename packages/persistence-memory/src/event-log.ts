import type { EventLog, LoggedEvent, Page, StoredMessage } from '@buslane/core'
import type { Database } from './database.ts'
import type { LogTable } from './log-table.ts'
import { mapPage, type PageRequest } from './ordered-entries.ts'

/** The event log of a database in memory. */
export class MemoryEventLog implements EventLog {
  readonly contract = 'event-log/1'
  readonly #db: Database
  readonly #log: LogTable

  constructor(db: Database, log: LogTable) {
    this.#db = db
    this.#log = log
  }

  records(type: string): boolean {
    return this.#log.records(type)
  }

  write(messages: readonly StoredMessage[]): Promise<void> {
    return this.#db.run(() => {
      const { now } = this.#db
      for (const message of messages) this.#log.add(message, this.#db.nextSeq(), now)
    })
  }

  read(
    query: PageRequest & { readonly type?: string | undefined; readonly sessionId?: string | undefined } = {},
  ): Promise<Page<LoggedEvent>> {
    return this.#db.run(() => {
      this.#log.purge(this.#db.now)
      const { type, sessionId } = query
      const page = this.#log.rows.page(
        query,
        ({ message }) =>
          (type === undefined || message.type === type) && (sessionId === undefined || message.sessionId === sessionId),
      )
      return mapPage(page, ({ key, message, loggedAt }) => ({ position: key, message, loggedAt }))
    })
  }
}
