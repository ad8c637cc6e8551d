import { importPg } from './import-pg.ts'
import type { PostgresPool } from './pool.ts'

/** A client of `pg` that is nobody else's. */
interface ListeningClient {
  on(event: 'notification' | 'error' | 'end', listener: (error?: unknown) => void): unknown
  connect(): Promise<unknown>
  query(text: string): Promise<unknown>
  end(): Promise<void>
}

/** Makes a client that is not connected yet. */
export type MakeListeningClient = () => Promise<ListeningClient>

type ClientClass = new (options: object) => ListeningClient

/** A host that does not answer must not hold the listener for as long as the system waits, and a dead peer must be noticed. */
const patience = (connectMs: number) => ({
  connectionTimeoutMillis: Math.max(1, Math.ceil(connectMs)),
  keepAlive: true,
})

export const clientOf =
  (connectionString: string, connectMs: number): MakeListeningClient =>
  async () => {
    const { Client } = await importPg()
    return new Client({ connectionString, application_name: 'buslane', ...patience(connectMs) })
  }

/**
 * A client as the pool makes its own, outside the pool: one of those would be missing there for as long as somebody listens.
 * `undefined`: the pool does not say how.
 */
export const clientLikeThoseOf = (pool: PostgresPool, connectMs: number): MakeListeningClient | undefined => {
  const { Client, options } = pool as { readonly Client?: unknown; readonly options?: unknown }
  if (typeof Client !== 'function' || typeof options !== 'object' || options === null) return undefined
  // By descriptor: a pool hides its password and keys from enumeration.
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(options))
  return () => Promise.resolve(new (Client as ClientClass)(Object.assign(copy, patience(connectMs))))
}
