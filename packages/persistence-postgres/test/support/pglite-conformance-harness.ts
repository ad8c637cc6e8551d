import { PGlite } from '@electric-sql/pglite'
import type { Harness } from '@buslane/testkit/conformance'
import { Kysely, PGliteDialect } from 'kysely'
import { postgresPersistence } from '../../src/index.ts'
import { passTimeIn } from './pass-time.ts'

const SLACK_MS = 20_000

/** What an embedded database cannot do. @public for scripts/conformance-tables.ts */
export const pgliteAbsent = {
  connections: 'the database has one connection',
  'time-zones': 'the database has one connection',
  transactions: 'an open transaction has the only connection, and all else waits',
  'own-clock': "the database's clock is the clock of the process",
} as const

/** One embedded database, and a schema of its own in it for each check. `close` it after the last. */
export function pgliteHarness(): { readonly harness: Harness; close(): Promise<void> } {
  const pglite = new PGlite()
  let schemas = 0
  const harness: Harness = {
    slackMs: SLACK_MS,
    absent: pgliteAbsent,
    open: (options) => {
      schemas += 1
      const schema = `conformance_${schemas}`
      const make = () => {
        const kysely = new Kysely<unknown>({ dialect: new PGliteDialect({ pglite }) })
        return postgresPersistence({ ...options, schema, kysely })
      }
      return Promise.resolve({
        persistence: make(),
        passTime: (ms) => passTimeIn({ query: (text) => pglite.exec(text) }, schema, ms),
        restart: () => Promise.resolve(make()),
        close: async () => void (await pglite.exec(`drop schema if exists "${schema}" cascade`)),
      })
    },
  }
  return { harness, close: () => pglite.close() }
}
