import { DatabaseSync } from 'node:sqlite'
import type { Clock, DeadLetterStore, EventStore, Inspectable, Persistence } from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'
import { type MemoryPersistence, memoryPersistence } from '@buslane/persistence-memory'

/** Options of {@link sqlitePersistence}. */
export interface SqliteOptions {
  /** Where it is kept. Made if it is not there. */
  readonly file: string
  /** Default: the clock of the machine. */
  readonly clock?: Clock | undefined
  /** How long a bus that says nothing keeps its events. In milliseconds; default 5,000. */
  readonly leaseMs?: number | undefined
  readonly idempotencyRetentionMs?: number | undefined
  readonly deadLetters?: boolean | undefined
}

/** A persistence with all that {@link sqlitePersistence} has, and no more. */
export interface SqlitePersistence extends Persistence {
  readonly events: EventStore
  readonly inspect: Inspectable
}

/** The verbs that change nothing: after any other the file is written. */
const READS: ReadonlySet<string> = new Set(['list', 'get', 'count', 'counts'])

/**
 * Durable events of one process, in one SQLite file. The rules are those of the store in memory; what is added is that every verb is
 * on the disk before it is answered, as a row that is replaced in one transaction.
 *
 * - *Durability*: what was answered survives `kill -9`, and a power cut as far as the disk keeps its promises.
 * - *Cost*: a verb writes all that is in the store. Meant for hundreds of waiting events, not for millions.
 * - *Concurrency*: one process per file; several buses in it may share one instance.
 */
export function sqlitePersistence({ file, leaseMs = 5000, ...options }: SqliteOptions): SqlitePersistence {
  const memory = memoryPersistence({ ...options, settings: { leaseMs } })
  const disk = new SnapshotFile(file, memory)
  const store = disk.writingThrough(memory.events)
  const events: EventStore = {
    contract: store.contract,
    settings: store.settings,
    run: (host) => runStore(events, host),
    open: () => disk.open(),
    close: () => disk.close(),
    join: (facts) => store.join(facts),
    heartbeat: (worker) => store.heartbeat(worker),
    leave: (worker) => store.leave(worker),
    append: (given, worker) => store.append(given, worker),
    claim: (request) => store.claim(request),
    report: (reports) => store.report(reports),
    ready: (types) => store.ready(types),
    sweep: () => store.sweep(),
    cancel: (key) => store.cancel(key),
    onHint: (listener) => memory.events.onHint(listener),
    // No `appendIn` and `completeIn`: nobody else has a transaction in this file.
  }
  const deadLetters: DeadLetterStore | undefined = memory.deadLetters && disk.writingThrough(memory.deadLetters)
  return { events, deadLetters, inspect: disk.writingThrough(memory.inspect) }
}

/** The file, and how often it is open. */
class SnapshotFile {
  readonly #path: string
  readonly #memory: MemoryPersistence
  #database: DatabaseSync | undefined
  #opened = 0

  constructor(path: string, memory: MemoryPersistence) {
    this.#path = path
    this.#memory = memory
  }

  open(): Promise<void> {
    this.#opened += 1
    if (this.#opened > 1) return Promise.resolve()
    this.#database = new DatabaseSync(this.#path)
    this.#database.exec(
      'pragma journal_mode = wal; create table if not exists snapshot (one integer primary key, value text)',
    )
    const row = this.#database.prepare('select value from snapshot').get()
    // Workers are not in it: what a process held that is gone is given to others at once.
    if (row !== undefined) this.#memory.restore(JSON.parse(String(row['value'])))
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#opened -= 1
    if (this.#opened === 0) this.#database?.close()
    return Promise.resolve()
  }

  /** The same part of a persistence, each change of which is on the disk before it is answered. */
  writingThrough<Part extends object>(part: Part): Part {
    return new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        const verb = member.bind(target) as (...given: unknown[]) => Promise<unknown>
        if (READS.has(String(name))) return verb
        return async (...given: unknown[]) => {
          const answer = await verb(...given)
          this.#write()
          return answer
        }
      },
    })
  }

  #write(): void {
    if (this.#database === undefined) throw new Error(`${this.#path} is not open`)
    const value = JSON.stringify(this.#memory.snapshot())
    this.#database.prepare('insert or replace into snapshot values (1, ?)').run(value)
  }
}
