import {
  type ApprovalStore,
  type Clock,
  type DeadLetterStore,
  type EventLog,
  type EventStore,
  type Inspectable,
  type PayloadCodec,
  type Persistence,
  type StoreSettings,
  systemClock,
} from '@buslane/core'
import { MemoryApprovals } from './approvals.ts'
import { Database } from './database.ts'
import { MemoryDeadLetters } from './dead-letters.ts'
import { checkMethods, checkNames, invalidArgument, textOf } from './errors.ts'
import { MemoryEventLog } from './event-log.ts'
import { MemoryEventStore } from './event-store.ts'
import { MemoryInspect } from './inspect.ts'
import type { LogOptions } from './log-table.ts'
import { storeSettings } from './settings.ts'
import { type MemorySnapshot, restoreSnapshot, takeSnapshot } from './snapshot.ts'

/** Options of {@link memoryPersistence}. */
export interface MemoryPersistenceOptions {
  /** Where the store takes all its times from. Default `systemClock`; give it the bus's to test without waiting. */
  readonly clock?: Clock | undefined
  /**
   * How the store wants to be driven. Defaults: `leaseMs` 5,000, `heartbeatMs` a third of it, `sweepMs` 1,000, `pollMs`
   * 1,000, `batchSize` 500, `parallelAppends` 2, `connectMs` 5,000, `noHandlerAfterMs` 3,600,000.
   */
  readonly settings?: Partial<StoreSettings> | undefined
  /** Turns payloads into text and back. Default: JSON. */
  readonly codec?: PayloadCodec | undefined
  /** Default `true`. `false`: events that nobody will try again stay in the store as `dead`. */
  readonly deadLetters?: boolean | undefined
  /** Whether published events are logged, which, and for how long. Default `false`. */
  readonly eventLog?: boolean | EventLogOptions | undefined
  /** How long the idempotency key of a settled event is kept. In milliseconds; default 7 days. */
  readonly idempotencyRetentionMs?: number | undefined
}

/** What the event log keeps. */
export interface EventLogOptions {
  /** Only events of these types. Default: all. */
  readonly types?: readonly string[] | undefined
  /** At most so many; the oldest go first. Default 100,000. */
  readonly maxCount?: number | undefined
  /** In milliseconds. Default: no limit. */
  readonly maxAgeMs?: number | undefined
}

/** A persistence in memory. Give one instance to several buses to have them share it, as processes share a database. */
export interface MemoryPersistence extends Persistence {
  readonly events: EventStore & Required<Pick<EventStore, 'appendIn' | 'completeIn' | 'onHint'>>
  /** `undefined` if `deadLetters` is `false`. */
  readonly deadLetters: DeadLetterStore | undefined
  /** `undefined` unless `eventLog` was given. */
  readonly eventLog: EventLog | undefined
  readonly approvals: ApprovalStore & Required<Pick<ApprovalStore, 'onHint'>>
  readonly inspect: Inspectable
  /** All that is committed, as plain JSON data: what a crash of every process would leave in a database. */
  snapshot(): MemorySnapshot
  /**
   * Replaces all that is in the store. No worker is left: what was held when the snapshot was taken is given back as after
   * a crash, every lease and every open transaction is lost, and buses that use the store join again.
   *
   * @throws {BusError} `INVALID_ARGUMENT` if this is no snapshot, or has dead letters that this store has no place for.
   */
  restore(snapshot: MemorySnapshot): void
}

const OPTIONS = ['clock', 'settings', 'codec', 'deadLetters', 'eventLog', 'idempotencyRetentionMs']
const WEEK_MS = 7 * 24 * 3_600_000
const LOG_MAX_COUNT = 100_000

/**
 * A store in memory with the semantics of a database: durable and scheduled events with leases, dead letters, approvals, and
 * an event log. For tests, for single processes that can lose what they hold, and as the reference for other stores.
 *
 * - *Guarantees*: every verb is atomic, and in effect when it is called.
 * - *Concurrency*: several buses may share one instance; each is a worker of its own.
 * - *Limits*: everything dies with the process, unless a `snapshot()` is kept elsewhere.
 *
 * @throws {BusError} `INVALID_ARGUMENT` if an option is not what it must be.
 *
 * @example
 * const persistence = memoryPersistence({ settings: { leaseMs: 2_000 } })
 * await persistence.inspect.counts().then(({ ready }) => ready) // => 0
 */
export const memoryPersistence = (options: MemoryPersistenceOptions = {}): MemoryPersistence => {
  checkNames('memoryPersistence', options, OPTIONS)
  const { clock = systemClock, codec, deadLetters = true, eventLog = false } = options
  checkMethods('clock', clock, ['now', 'monotonic', 'setTimer', 'clearTimer'])
  if (codec !== undefined) checkMethods('codec', codec, ['encode', 'decode'])
  if (typeof deadLetters !== 'boolean')
    throw invalidArgument(`deadLetters must be a boolean, not ${textOf(deadLetters)}`)
  const settings = storeSettings(options.settings)
  const db = new Database({
    clock,
    leaseMs: settings.leaseMs,
    idempotencyRetentionMs: lengthOf('idempotencyRetentionMs', options.idempotencyRetentionMs, WEEK_MS),
    deadLetters,
    log: eventLog === false ? undefined : logOptions(eventLog === true ? {} : eventLog),
  })
  return {
    events: new MemoryEventStore(db, settings, codec),
    deadLetters: db.letters && new MemoryDeadLetters(db, db.letters),
    eventLog: db.log && new MemoryEventLog(db, db.log),
    approvals: new MemoryApprovals(db),
    inspect: new MemoryInspect(db),
    snapshot: () => takeSnapshot(db),
    restore: (snapshot) => {
      restoreSnapshot(db, snapshot)
      db.hints.give()
    },
  }
}

const logOptions = (options: EventLogOptions): LogOptions => {
  checkNames('eventLog', options, ['types', 'maxCount', 'maxAgeMs'])
  const { types, maxCount, maxAgeMs } = options
  if (types !== undefined && !(Array.isArray(types) && types.every((type) => typeof type === 'string'))) {
    throw invalidArgument(`eventLog.types must be a list of event types, not ${textOf(types)}`)
  }
  return {
    types: types && new Set(types),
    maxCount: lengthOf('eventLog.maxCount', maxCount, LOG_MAX_COUNT),
    maxAgeMs: lengthOf('eventLog.maxAgeMs', maxAgeMs, Infinity),
  }
}

const lengthOf = (name: string, given: number | undefined, byDefault: number): number => {
  const value = given ?? byDefault
  if (!(typeof value === 'number' && value >= 0)) {
    throw invalidArgument(`${name} must be a number that is not negative, not ${textOf(value)}`)
  }
  return value
}
