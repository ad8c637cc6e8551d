import type {
  Appended,
  Claimed,
  ClaimRequest,
  ClaimType,
  EventStore,
  Lease,
  NewEvent,
  PayloadCodec,
  Report,
  Reported,
  StoreSettings,
  Tended,
  WorkerFacts,
} from '@buslane/core'
import { runStore, type StoreHost, type StoreRunner } from '@buslane/core/store-runner'
import { append, appendIn } from './append.ts'
import { claim } from './claim.ts'
import type { Database } from './database.ts'
import { endWorker, nextDueInMs, sweep } from './give-back.ts'
import { cancel } from './moving.ts'
import { completeIn, releaseUnknown, report } from './report.ts'
import { type MemoryTransaction, requireTransaction } from './transaction.ts'
import { Worker } from './worker.ts'

/** The event store of a database in memory. Every verb does its work before it returns its promise. */
export class MemoryEventStore implements EventStore {
  readonly contract = 'event-store/1'
  readonly settings: StoreSettings
  readonly codec: PayloadCodec | undefined
  readonly #db: Database

  constructor(db: Database, settings: StoreSettings, codec: PayloadCodec | undefined) {
    this.#db = db
    this.settings = settings
    this.codec = codec
  }

  run(host: StoreHost): StoreRunner {
    return runStore(this, host)
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  join({ name }: WorkerFacts): Promise<{ readonly worker: string; readonly now: number }> {
    return this.#db.run(() => {
      const { now, leaseMs, events } = this.#db
      const worker = `${name} ${crypto.randomUUID()}`
      events.workers.set(worker, new Worker(worker, now + leaseMs))
      return { worker, now }
    })
  }

  heartbeat(workerId: string): Promise<'ok' | 'lost'> {
    return this.#db.run(() => {
      const { now, leaseMs, events } = this.#db
      const worker = events.workers.get(workerId)
      if (!worker) return 'lost'
      worker.leaseUntil = now + leaseMs
      return 'ok'
    })
  }

  leave(workerId: string): Promise<number> {
    return this.#db.run(() => {
      const worker = this.#db.events.workers.get(workerId)
      return worker ? endWorker(this.#db, worker) : 0
    })
  }

  releaseUnknown(workerId: string, known: readonly Lease[]): Promise<number> {
    return this.#db.run(() => releaseUnknown(this.#db, workerId, known))
  }

  async append(events: readonly NewEvent[], worker: string | undefined): Promise<readonly Appended[]> {
    for (let holder = this.#reserver(events); holder; holder = this.#reserver(events)) await holder.ended
    return this.#db.run(() => append(this.#db, events, worker))
  }

  async appendIn(transaction: unknown, event: NewEvent): Promise<Appended> {
    const own = requireTransaction(transaction)
    for (let holder = this.#reserver([event]); holder && holder !== own; holder = this.#reserver([event])) {
      await holder.ended
    }
    return this.#db.run(() => appendIn(this.#db, event, own))
  }

  claim(request: ClaimRequest): Promise<Claimed> {
    return this.#db.run(() => claim(this.#db, request))
  }

  report(reports: readonly Report[]): Promise<readonly Reported[]> {
    return this.#db.run(() => report(this.#db, reports))
  }

  completeIn(transaction: unknown, lease: Lease, handler: string, attempts: number): Promise<'ok' | 'lost'> {
    return this.#db.run(() => completeIn(this.#db, requireTransaction(transaction), { lease, handler, attempts }))
  }

  ready(types: readonly ClaimType[]): Promise<Tended> {
    return this.#db.run(() => {
      const { now, events } = this.#db
      const due = events.readyDue(now)
      const news = events.offered
      const unhandled = events.readyUnhandled(types)
      // The caller knows of these. Hints for them would make workers of different types call each other for ever, as the
      // one sets aside what the other readies.
      events.offered = news
      return { readied: due + unhandled, rescued: 0, deadWorkers: 0, nextDueInMs: nextDueInMs(this.#db, now) }
    })
  }

  sweep(): Promise<Tended> {
    return this.#db.run(() => sweep(this.#db))
  }

  cancel(key: string): Promise<'cancelled' | 'too-late'> {
    return this.#db.run(() => cancel(this.#db, key, { dead: false }))
  }

  onHint(listener: () => void): Disposable {
    return this.#db.hints.listen(listener)
  }

  /** Nothing to free, and others may share the store. */
  close(): Promise<void> {
    return Promise.resolve()
  }

  #reserver(events: readonly NewEvent[]): MemoryTransaction | undefined {
    for (const { idempotencyKey } of events) {
      const reservation = this.#db.keys.reservationOf(idempotencyKey)
      if (reservation) return reservation.transaction
    }
    return undefined
  }
}
