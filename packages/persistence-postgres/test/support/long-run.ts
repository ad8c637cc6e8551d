import type { EventStore, Report } from '@buslane/core'
import { newEvent, type OpenedStore, request } from './store.ts'

const BATCH = 500
/** Stored and not handled yet, all the time. */
const BACKLOG = 2000
const STEPS = 10

interface LongRun {
  readonly events: number
  /** So many lanes; 0: none. */
  readonly lanes: number
  /** Told of each tenth when it is over. */
  readonly onStep: (step: Step) => void
}

/** One tenth of the run. */
export interface Step {
  readonly perSecond: number
  /** What a statement of 500 events took, in milliseconds. */
  readonly appendMs: number
  readonly claimMs: number
  readonly completeMs: number
  readonly tableMb: number
}

/** Stores, claims and completes so many events, batch after batch. Every key that was claimed. */
export const longRun = async (opened: OpenedStore, { events, lanes, onStep }: LongRun): Promise<readonly string[]> => {
  const { store } = opened
  const { worker } = await store.join({ name: 'long run' })
  const keys: string[] = []
  await append(store, BACKLOG, lanes)
  const perStep = events / STEPS / BATCH
  for (let step = 0; step < STEPS; step++) {
    const spent = { append: 0, claim: 0, complete: 0 }
    const timed = async <Value>(what: keyof typeof spent, work: Promise<Value>): Promise<Value> => {
      const beganAt = performance.now()
      const value = await work
      spent[what] += performance.now() - beganAt
      return value
    }
    for (let batch = 0; batch < perStep; batch++) {
      await timed('append', append(store, BATCH, lanes))
      const { events: claimed } = await timed(
        'claim',
        store.claim(request(worker, { limit: BATCH, start: BATCH, laneLimit: BATCH })),
      )
      keys.push(...claimed.map(({ lease }) => lease.key))
      const reports = claimed.map(({ lease }): Report => ({ kind: 'complete', lease }))
      await timed('complete', store.report(reports))
    }
    await store.heartbeat(worker)
    await store.sweep()
    onStep({
      perSecond: Math.round((perStep * BATCH * 1000) / (spent.append + spent.claim + spent.complete)),
      appendMs: round(spent.append / perStep),
      claimMs: round(spent.claim / perStep),
      completeMs: round(spent.complete / perStep),
      tableMb: await tableMb(opened),
    })
  }
  return keys
}

const append = async (store: EventStore, count: number, lanes: number): Promise<void> => {
  for (let from = 0; from < count; from += BATCH) {
    const lane = (index: number): string | undefined => (lanes === 0 ? undefined : `lane ${(from + index) % lanes}`)
    await store.append(
      Array.from({ length: BATCH }, (_, index) => newEvent({ lane: lane(index) })),
      undefined,
    )
  }
}

const tableMb = async ({ client, schema }: OpenedStore): Promise<number> => {
  const { rows } = await client.query<{ mb: number }>(
    `select pg_total_relation_size('"${schema}".events')::float8 / 1e6 as mb`,
  )
  return round(rows[0]!.mb)
}

const round = (value: number): number => Math.round(value * 10) / 10
