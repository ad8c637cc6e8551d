import { randomUUID } from 'node:crypto'
import { type Bus, createBus } from '@buslane/core'
import pg from 'pg'
import { inject, onTestFinished } from 'vitest'
import { postgresPersistence, type PostgresPersistence, type StoreOptions } from '../../src/index.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

export interface RunningBus {
  readonly bus: Bus
  readonly persistence: PostgresPersistence
}

/** Buses that share a schema of their own, stopped when the test ends. */
export const busesOnOneSchema = async () => {
  const schema = `buses_${randomUUID().slice(0, 8)}`
  const url = new URL(inject('connectionString'))
  url.searchParams.set('application_name', schema)
  const client = new pg.Client({ connectionString: inject('connectionString') })
  await client.connect()
  onTestFinished(async () => {
    await client.query(`drop schema if exists "${schema}" cascade`)
    await client.end()
  })
  const make = (options: StoreOptions = {}): RunningBus => {
    const persistence = postgresPersistence({ connectionString: url.href, schema, logger: quiet, ...options })
    const bus = createBus({ persistence, logger: quiet, lane: () => undefined })
    onTestFinished(async () => {
      await bus.stop({ timeoutMs: 0 })
      await persistence.close()
    })
    return { bus, persistence }
  }
  /** Of the buses' connections, by a condition on `pg_stat_activity`. */
  const connections = async (condition = 'true'): Promise<number> => {
    const { rowCount } = await client.query(
      `select from pg_stat_activity where application_name = $1 and ${condition}`,
      [schema],
    )
    return rowCount ?? 0
  }
  return { make, connections }
}
