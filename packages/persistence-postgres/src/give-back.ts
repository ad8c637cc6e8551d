import type { GivenUp } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import { insertLetters } from './bury.ts'
import type { StoreContext } from './context.ts'
import { applyDelta } from './lanes.ts'
import { laneEra, lateFor } from './low-water.ts'
import { progressOf } from './progress.ts'
import { keepKeys } from './report-statement.ts'

const BATCH = 1000
/** Then the event is given up: whoever started it never lived to report anything. */
const MAX_UNREPORTED = 10

/** What was taken from workers. */
interface GivenBack {
  /** Events, those included that were given up. */
  readonly count: number
  readonly givenUp: readonly GivenUp[]
}

type GivenUpRow = Omit<GivenUp, 'progress'> & { readonly progress: string | null }

interface GiveBackOptions {
  readonly maxBatches?: number
  /** Look for workers that have no row at all, too: somebody must have deleted it. */
  readonly thorough?: boolean
}

/** Gives back all that dead workers hold, or that this one does, in batches. */
export const giveBackAll = async (
  context: StoreContext,
  worker: string | undefined,
  { maxBatches = 1000, thorough = true }: GiveBackOptions = {},
): Promise<GivenBack> => {
  let total = 0
  const givenUp: GivenUp[] = []
  for (let batch = 0; batch < maxBatches; batch++) {
    const [row] = await context.db.run(giveBackStatement(context, worker, thorough))
    const count = row?.count ?? 0
    total += count
    const gone = JSON.parse(row?.given_up ?? '[]') as readonly GivenUpRow[]
    for (const { progress, ...rest } of gone) givenUp.push({ ...rest, progress: progressOf(progress) })
    if (count < BATCH) break
  }
  return { count: total, givenUp }
}

/** Forgets dead workers, or this one, once they hold nothing. Index events_worker. */
export const buryWorker = async ({ db }: StoreContext, worker: string | undefined): Promise<void> => {
  await db.run(sql`
    delete from ${db.workers} w
    where w.dead_at is not null ${worker === undefined ? sql`` : sql`and w.worker = ${worker}::uuid`}
      and not exists (select from ${db.events} e where e.state = 'running' and e.worker = w.worker)`)
  // Only a worker that is gone frees events that it alone might claim. Index events_owner.
  await db.run(sql`
    update ${db.events} set owner = null
    where key = any(array(
      select e.key from ${db.events} e
      where e.owner is not null
        and not exists (select from ${db.workers} w where w.worker = e.owner and w.dead_at is null)
      limit ${BATCH}::int for update skip locked))`)
}

/**
 * Dead workers have a row that says so as long as they hold something. One without a row counts as dead, too: those are found by leaps
 * through the index events_worker, one probe per worker that holds something, which passes all dead rows of each. A page of long leases of
 * the living does not hide one of the dead.
 *
 * Rows that are locked are being reported: they are skipped, and checked again by the next batch or sweep.
 */
export const giveBackStatement = (
  { db, config }: StoreContext,
  worker: string | undefined,
  thorough = true,
): RawBuilder<{ count: number; given_up: string | null }> => {
  const { events, workers } = db
  const dead =
    worker !== undefined
      ? sql`select ${worker}::uuid`
      : thorough
        ? sql`select h.worker from holding h
          where h.worker is not null
            and not exists (select from ${workers} w where w.worker = h.worker and w.dead_at is null)`
        : sql`select w.worker from ${workers} w where w.dead_at is not null`
  const givenUp = sql`(e.started and e.on_crash = 'fail' or e.unreported >= ${MAX_UNREPORTED}::int
    and (b.may_have_begun or not e.started))`
  const reason = sql`case when e.started and e.on_crash = 'fail' then 'interrupted'
    else 'attempts-exhausted-without-report' end`
  // A worker handles the events of a lane one after another: of those that are recorded as started only the first can have begun, and
  // none if one waits that has begun before. Index events_lane.
  const mayHaveBegun = sql`(e.started and (e.lane is null
    or e.key = (
        select s.key from ${events} s
        where s.lane = e.lane and s.state = 'running' and s.started and s.worker = e.worker
        order by s.begun desc, s.order_key, s.key limit 1)
      and (
        select b.key from ${events} b
        where b.lane = e.lane and b.state = 'ready' and b.begun
        order by b.order_key, b.key limit 1) is null
      and (select l.retrying from ${db.lanes} l where l.era = ${laneEra(db)} and l.lane = e.lane) is not distinct from 0))`
  return sql<{ count: number; given_up: string | null }>`
    with recursive holding (worker) as (
      (select worker from ${events} where state = 'running' order by worker limit 1)
      union all
      select (
        select e.worker from ${events} e where e.state = 'running' and e.worker > h.worker order by e.worker limit 1)
      from holding h where h.worker is not null),
    found as materialized (
      select e.key, ${givenUp} as given_up, b.may_have_begun
      from ${events} e
      cross join lateral (select ${mayHaveBegun} as may_have_begun) b
      where e.state = 'running' and e.worker = any(array(${dead}))
      order by e.worker, e.key limit ${BATCH}::int for update of e skip locked),
    given_back as (
      update ${events} e
      set state = case when f.given_up then 'dead' else 'ready' end,
        reason = case when f.given_up then ${reason} end,
        interruptions = e.interruptions + f.may_have_begun::int, begun = e.begun or f.may_have_begun,
        unreported = case when e.started and not f.may_have_begun then greatest(0, e.unreported - 1) else e.unreported end,
        worker = null, token = null, started = false, late = ${lateFor(db, sql`e.order_key`)}
      from found f
      where e.key = f.key and e.key = any(array(select key from found ${config.deadLetters ? sql`where not given_up` : sql``}))
      returning e.key, e.lane, e.state, e.order_key, e.kind, e.id, e.type, e.version, e.session_id, e.headers, e.progress,
        e.reason as why),
    settled as (
      ${
        config.deadLetters
          ? sql`delete from ${events} e where e.key = any(array(select key from found where given_up))
              returning e.*, ${reason} as why`
          : sql`select e.*, null as why from ${events} e where false`
      }),
    delta as materialized (
      select lane, count(*) filter (where state = 'ready') as waiting, -count(*) as held, 0 as retrying,
        min(order_key) filter (where state = 'ready') as head
      from (
        select lane, state, order_key from given_back
        union all select lane, 'dead', order_key from settled) g
      where lane is not null group by lane),
    ${applyDelta(db)},
    ${insertLetters(db)},
    ${keepKeys(db, 'dead', undefined)}
    select (select count(*)::int from found) as count,
      (select json_agg(json_build_object(
          'message', json_build_object('kind', g.kind, 'id', g.id, 'type', g.type, 'version', g.version,
            'sessionId', g.session_id, 'headers', g.headers),
          'reason', g.why, 'progress', g.progress) order by g.key)::text
        from ${config.deadLetters ? sql`settled` : sql`given_back`} g where g.why is not null) as given_up`
}
