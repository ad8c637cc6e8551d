import { PGlite } from '@electric-sql/pglite'
import type { BusHarness } from '@buslane/testkit/conformance'
import { Kysely, PGliteDialect } from 'kysely'
import pg from 'pg'
import { postgresPersistence } from '../../src/index.ts'
import type { Querying } from './pass-time.ts'
import { createClock, searchPathOf, setClock } from './virtual-time.ts'

let schemas = 0

/** Hints come from the suite; what takes an hour by default, and is asked for every second meanwhile, takes minutes. */
const SETTINGS = { notify: false, noHandlerAfterMs: 30_000 } as const

/** A schema of its own for each check, on a server whose clock is that of the check. */
export const postgresBusHarness = (connectionString: string): BusHarness => ({
  async open({ leaseMs }) {
    schemas += 1
    const schema = `bus_${process.pid}_${schemas}`
    const clock = `${schema}_clock`
    const owner = new pg.Pool({ connectionString, max: 1 })
    await createClock(owner, clock)
    const url = new URL(connectionString)
    url.searchParams.set('options', `-c search_path=${searchPathOf(clock)}`)
    return {
      persistence: postgresPersistence({ connectionString: url.href, schema, leaseMs, ...SETTINGS }),
      setTime: (at) => setClock(owner, clock, at),
      async close() {
        await owner.query(`drop schema if exists "${schema}" cascade; drop schema "${clock}" cascade`)
        await owner.end()
      },
    }
  },
})

/** One embedded database, and a schema of its own in it for each check. `close` it after the last. */
export const pgliteBusHarness = (): { readonly harness: BusHarness; close(): Promise<void> } => {
  const pglite = new PGlite()
  const clock = 'virtual'
  const database: Querying = { query: (text) => pglite.exec(text) }
  const made = createClock(database, clock).then(() => pglite.exec(`set search_path = ${searchPathOf(clock)}`))
  const harness: BusHarness = {
    async open({ leaseMs }) {
      await made
      schemas += 1
      const schema = `bus_${schemas}`
      const kysely = new Kysely<unknown>({ dialect: new PGliteDialect({ pglite }) })
      return {
        persistence: postgresPersistence({ kysely, schema, leaseMs, ...SETTINGS }),
        setTime: (at) => setClock(database, clock, at),
        close: async () => void (await pglite.exec(`drop schema if exists "${schema}" cascade`)),
      }
    },
  }
  return { harness, close: () => pglite.close() }
}
