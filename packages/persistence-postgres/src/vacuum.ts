import { describeError } from './errors.ts'
import { sql } from 'kysely'
import type { StoreContext } from './context.ts'

/**
 * A hot queue fills with dead rows faster than autovacuum looks: after a million events in a minute claims took twice as long. A vacuum
 * after so many is short, and keeps the time flat.
 */
const SETTLED_BETWEEN = 50_000

/** It takes at most this share of the time: beside an old transaction it removes nothing, and takes longer every time. */
const SHARE = 0.05

/** Vacuums the tables of this store if enough has been settled here. Never rejects: nothing depends on it. */
export const vacuumIfNeeded = async (context: StoreContext): Promise<void> => {
  if (context.settled < SETTLED_BETWEEN || performance.now() < context.vacuumAfter) return
  context.settled = 0
  const { db, config } = context
  const beganAt = performance.now()
  try {
    // Without truncation it takes no lock that a claim would wait for. A table that another process vacuums now is skipped.
    await db.run(
      sql`vacuum (skip_locked, truncate false) ${db.events}, ${db.lanes}, ${db.workers}, ${db.idempotency}, ${db.watermarks}`,
    )
  } catch (error) {
    if (context.vacuumFailed) return
    context.vacuumFailed = true
    config.logger.warn(
      { error },
      `The tables of the store in schema '${config.schema}' could not be vacuumed, autovacuum has to do: ${describeError(error)}`,
    )
  } finally {
    const endedAt = performance.now()
    context.vacuumAfter = endedAt + (endedAt - beganAt) / SHARE
  }
}
