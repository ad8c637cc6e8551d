import type { DeadLetter, DeadLetterQuery, DeadLetterStore, NewDeadLetter, Page } from '@buslane/core'
import { orderKeyOf } from './append.ts'
import type { Database } from './database.ts'
import { begunAnew, hasDone } from './give-up.ts'
import type { LetterRow, LetterTable } from './letter-table.ts'
import { mapPage } from './ordered-entries.ts'
import { rowOf } from './stored-row.ts'

/** The dead letters of a database in memory. */
export class MemoryDeadLetters implements DeadLetterStore {
  readonly contract = 'dead-letter-store/1'
  readonly durable = false
  readonly #db: Database
  readonly #letters: LetterTable

  constructor(db: Database, letters: LetterTable) {
    this.#db = db
    this.#letters = letters
  }

  add(letter: NewDeadLetter): Promise<string> {
    return this.#db.run(() => {
      const { now } = this.#db
      const seq = this.#db.nextSeq()
      const key = String(seq)
      const { message, reason, lane, priority, error, worker } = letter
      this.#letters.add({
        seq,
        key,
        serial: false,
        orderOffsetMs: 0,
        handlers: letter.handlers,
        letter: {
          key,
          message,
          reason,
          lane,
          priority,
          onCrash: 'retry',
          idempotencyKey: undefined,
          progress: structuredClone(letter.progress),
          error,
          acceptedAt: now,
          firstFailedAt: now,
          deadAt: now,
          replays: 0,
          worker,
          edited: undefined,
        },
      })
      return key
    })
  }

  list(query: DeadLetterQuery = {}): Promise<Page<DeadLetter>> {
    return this.#db.run(() => {
      const page = this.#letters.rows.page(query, ({ letter }) => matches(letter, query))
      return mapPage(page, ({ letter }) => letter)
    })
  }

  get(key: string): Promise<DeadLetter | undefined> {
    return this.#db.run(() => this.#letters.rows.get(key)?.letter)
  }

  count(): Promise<Readonly<Record<string, number>>> {
    return this.#db.run(() => this.#letters.counts)
  }

  replay(key: string, edit?: { readonly payload: string; readonly by: string }): Promise<'replayed' | 'gone'> {
    return this.#db.run(() => {
      const row = this.#letters.rows.get(key)
      if (!row) return 'gone'
      this.#letters.delete(row)
      this.#putBack(row, edit)
      return 'replayed'
    })
  }

  discard(keys: readonly string[]): Promise<number> {
    return this.#db.run(() => {
      let discarded = 0
      for (const key of keys) {
        const row = this.#letters.rows.get(key)
        if (!row) continue
        this.#letters.delete(row)
        this.#db.keys.discarded(row.letter.idempotencyKey)
        discarded++
      }
      return discarded
    })
  }

  /** Under a new key: a lease of its former life must never fit it. */
  #putBack({ letter, serial, orderOffsetMs, handlers }: LetterRow, edit?: { payload: string; by: string }): void {
    const { now, events, keys } = this.#db
    const { message, lane, priority, onCrash, idempotencyKey, acceptedAt, firstFailedAt, replays } = letter
    const progress = begunAnew(letter.progress)
    const original = letter.edited?.payload ?? message.payload
    keys.use(idempotencyKey, message.id)
    events.put(
      rowOf({
        seq: this.#db.nextSeq(),
        message: edit ? { ...message, payload: edit.payload } : message,
        lane,
        serial,
        priority,
        onCrash,
        idempotencyKey,
        orderOffsetMs,
        acceptedAt,
        baseAt: now,
        orderKey: orderKeyOf(priority, orderOffsetMs, now),
        dueAt: now,
        expiresInMs: undefined, // who replays it wants it to run
        unreported: 0,
        interruptions: 0,
        handlers,
        progress,
        begun: hasDone(progress),
        deferredSince: undefined,
        firstFailedAt,
        replays: replays + 1,
        edited: edit ? { payload: original, by: edit.by } : letter.edited,
      }),
      { state: 'ready' },
    )
  }
}

const matches = (letter: DeadLetter, { type, reason, sessionId, since, until }: DeadLetterQuery): boolean =>
  (type === undefined || letter.message.type === type) &&
  (reason === undefined || letter.reason === reason) &&
  (sessionId === undefined || letter.message.sessionId === sessionId) &&
  (since === undefined || letter.deadAt >= since) &&
  (until === undefined || letter.deadAt < until)
