import type { EventStore, Lease, NewEvent } from '@buslane/core'
import { runStore } from '@buslane/core/store-runner'
import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { append, appendIn } from './append.ts'
import { claim } from './claim.ts'
import type { Notifications, StoreContext } from './context.ts'
import { createDatabase } from './database.ts'
import { storeError } from './errors.ts'
import { purgeLog } from './event-log.ts'
import { migrate, requireCurrent } from './migrate.ts'
import { raiseIfNeeded } from './low-water.ts'
import { cancel } from './move.ts'
import type { StoreConfig } from './options.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import { ready } from './ready.ts'
import { completeIn, report } from './report.ts'
import { sweep } from './sweep.ts'
import { vacuumIfNeeded } from './vacuum.ts'
import { heartbeat, join, leave, releaseUnknown } from './workers.ts'

/** How a store reaches its database. */
export interface StoreConnection {
  readonly kysely: Kysely<unknown>
  readonly statements?: PreparedStatements | undefined
  readonly notifications?: Notifications | undefined
  /** Frees what was opened for this store. */
  close(): Promise<void>
}

/** A NOTIFY costs as much as an insert: many publishes one after another share those of every 10 ms. */
const HINT_GAP_MS = 10

/** An event store over any Kysely instance that speaks to Postgres, and what its statements share. */
export const createPostgresStore = (
  config: StoreConfig,
  connection: StoreConnection,
): { readonly events: EventStore; readonly context: StoreContext } => {
  const db = createDatabase(connection.kysely, config.schema)
  const { notifications } = connection
  const notify = notifications && sql.raw(notifications.notify)
  const hintWithin = notifications && sql`pg_notify(${notifications.channel}::text, '')`
  let hinting = false
  let hintAgain = false
  let hintsSent = Promise.resolve()
  const sendHints = async (isSent: boolean): Promise<void> => {
    if (!notify) return
    let isDue = !isSent
    do {
      hintAgain = false
      // A lost hint costs one poll: trouble with the database is told by whatever else is asked of it.
      if (isDue) await db.run(notify).catch(() => {})
      isDue = true
      await delay(HINT_GAP_MS)
    } while (hintAgain)
    hinting = false
  }
  const context: StoreContext = {
    db,
    config,
    statements: connection.statements,
    hint() {
      hintAgain = true
      if (!hinting && notify) {
        hinting = true
        hintsSent = sendHints(false)
      }
    },
    takeHint() {
      if (hinting || !hintWithin) return undefined
      hinting = true
      hintsSent = sendHints(true)
      return hintWithin
    },
    hintWithin,
    async hintIn(run) {
      if (notify) await run(notify)
    },
    claimsWithoutLanes: 0,
    sweeps: 0,
    turned: 0,
    raiseFailed: false,
    settled: 0,
    vacuumAfter: 0,
    vacuumFailed: false,
  }
  let vacuuming: Promise<void> | undefined
  let raising: Promise<void> | undefined
  /** Buses that have opened it, or are about to. */
  let users = 0
  const vacuum = (): void => {
    vacuuming ??= vacuumIfNeeded(context).finally(() => (vacuuming = undefined))
  }
  const raise = (): void => {
    raising ??= raiseIfNeeded(context).finally(() => (raising = undefined))
  }

  const events: EventStore = {
    contract: 'event-store/1',
    settings: config.settings,
    codec: config.codec,
    run: (host) => runStore(events, host),
    async open() {
      users++
      try {
        await (config.autoMigrate ? migrate : requireCurrent)(connection.kysely, config.schema)
      } catch (error) {
        users--
        // Nobody closes what he could not open. Who waits for hints already goes on to. Why it failed is told, not what came of it.
        if (users === 0) await connection.close().catch(() => {})
        throw storeError(error)
      }
    },
    join: (facts) => join(context, facts),
    heartbeat: (worker) => heartbeat(context, worker),
    leave: (worker) => leave(context, worker),
    releaseUnknown: (worker, known) => releaseUnknown(context, worker, known),
    append: (batch, worker) => append(context, batch, worker),
    appendIn: (transaction: unknown, event: NewEvent) => appendIn(context, transaction, event),
    claim: (request) => claim(context, request),
    async report(reports) {
      const answers = await report(context, reports)
      raise()
      return answers
    },
    completeIn: (transaction: unknown, lease: Lease, handler: string, attempts: number) =>
      completeIn(context, transaction, { lease, handler, attempts }),
    ready: (types) => ready(context, types),
    async sweep() {
      const tended = await sweep(context)
      await purgeLog(context)
      vacuum()
      return tended
    },
    cancel: (key) => cancel(context, key, { dead: false }),
    ...(notifications && { onHint: (listener: () => void) => notifications.onHint(listener) }),
    async close() {
      users = Math.max(0, users - 1)
      if (users > 0) return
      // Whatever is still asked of the database after it was closed would open it again.
      await Promise.all([vacuuming, raising, hintsSent])
      await notifications?.close()
      await connection.close()
    },
  }
  return { events, context }
}
