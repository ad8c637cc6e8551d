import { type Bus, createBus, type LaneFunction } from '@buslane/core'
import { postgresPersistence } from '@buslane/persistence-postgres'
import type pg from 'pg'
import { STEPS, Ticked, type Work, workOf } from '../message.ts'
import { countRows, freshPool } from '../pool.ts'
import type { DurableQueue, Handle, OpenQueue } from '../queue.ts'

interface BusSetting {
  readonly schema: string
  readonly lane?: LaneFunction | undefined
  readonly leaseMs?: number | undefined
}

export const storedBus = (pool: pg.Pool, { lane, schema, leaseMs }: BusSetting): Bus =>
  createBus({ persistence: postgresPersistence({ pool, schema, leaseMs }), lane: lane ?? (() => undefined) })

/** Three handlers in three groups; the last calls `handle`. */
export const handleInSteps = (bus: Bus, handle: Handle): Disposable[] =>
  Array.from({ length: STEPS }, (_, step) => {
    const isLast = step === STEPS - 1
    const handler = async ({ payload }: { readonly payload: Work }): Promise<void> =>
      isLast ? handle(payload.n) : undefined
    return bus.on(Ticked, handler, { name: `step-${step}`, priority: step * 10 })
  })

interface Variant {
  readonly name: string
  readonly schema: string
  readonly lane?: LaneFunction
  /** Whether another bus handles what one publishes, as in another process. */
  readonly far?: boolean
}

const openBus = async (
  { schema, lane, far = false }: Variant,
  url: string,
  dropped: readonly string[],
): Promise<OpenQueue> => {
  const pool = await freshPool(url, ...dropped)
  const publisher = storedBus(pool, { schema, lane })
  await publisher.start()
  const handler = far ? storedBus(await freshPool(url), { schema, lane }) : publisher
  if (far) await handler.start()
  return {
    publish: (n) => publisher.publish(Ticked(workOf(n))),
    publishIn: (client, n) => publisher.publish(Ticked(workOf(n)), { transaction: client }),
    startHandling: async (handle) => {
      const registrations = handleInSteps(handler, handle)
      const stop = async (): Promise<void> => {
        await handler.idle()
        for (const registration of registrations) registration[Symbol.dispose]()
      }
      return { stop }
    },
    left: () => countRows(pool, `${schema}.events`),
    clear: async () => void (await pool.query(`truncate ${schema}.events, ${schema}.lanes`)),
    close: async () => {
      await handler.stop()
      await publisher.stop()
      await pool.end()
    },
  }
}

/** A bus on the tables of a schema, dropped before. */
export const queue = (variant: Variant): DurableQueue => ({
  name: variant.name,
  caveat: '',
  open: ({ databaseUrl }, begins = 'empty') =>
    openBus(variant, databaseUrl, begins === 'empty' ? [variant.schema] : []),
})

/** Events without an order between them, as the jobs of the peers. */
export const buslane: DurableQueue = queue({ name: 'Buslane', schema: 'bench_buslane' })

export const buslaneFar: DurableQueue = queue({ name: 'Buslane, another bus handles', schema: 'bench_far', far: true })

export const buslaneInLanes: DurableQueue = queue({
  name: 'Buslane, 100 named lanes',
  schema: 'bench_lanes',
  lane: ({ payload }) => `lane-${(payload as Work).n % 100}`,
})
