import type { Harness, OpenOptions, OpenStore } from '@buslane/testkit/conformance'
import { skewWallClock } from '@buslane/testkit/crash'
import pg from 'pg'
import { postgresPersistence } from '../../src/index.ts'
import { passTimeIn } from './pass-time.ts'

/** Long enough for a check on a slow machine, and far shorter than the leases that checks ask for. */
const SLACK_MS = 20_000

let schemas = 0

/** A schema of its own for each check. Every instance has a pool of its own. */
export function postgresHarness(connectionString: string): Harness {
  return { slackMs: SLACK_MS, open: (options) => openSchema(connectionString, options) }
}

async function openSchema(connectionString: string, options: OpenOptions): Promise<OpenStore> {
  schemas += 1
  const schema = `conformance_${process.pid}_${schemas}`
  const owner = new pg.Pool({ connectionString, max: 4 })
  const connect = ({ timeZone }: { readonly timeZone?: string }) => {
    const url = new URL(connectionString)
    if (timeZone !== undefined) url.searchParams.set('options', `-c TimeZone=${timeZone}`)
    return postgresPersistence({ ...options, schema, connectionString: url.href, maxConnections: 6 })
  }
  return {
    persistence: connect({}),
    passTime: (ms) => passTimeIn({ query: (text) => owner.query(text) }, schema, ms),
    connect: (where) => Promise.resolve(connect(where)),
    restart: () => Promise.resolve(connect({})),
    begin: async () => {
      const client = await owner.connect()
      await client.query('begin')
      const end = async (verb: 'commit' | 'rollback'): Promise<void> => {
        await client.query(verb)
        client.release()
      }
      return { handle: client, commit: () => end('commit'), rollback: () => end('rollback') }
    },
    skewProcessClock: skewWallClock,
    close: async () => {
      await owner.query(`drop schema if exists "${schema}" cascade`)
      await owner.end()
    },
  }
}
