import { createHash } from 'node:crypto'
import { PREPARED_MARK } from './database.ts'
import { sqlState } from './errors.ts'

/** A client of `pg`, as far as it is used here. */
interface Client {
  query(...query: unknown[]): unknown
}

/**
 * What a pooler that shares connections between transactions makes of prepared statements: the name is unknown, or known, on a
 * connection that it was, or was not, prepared on; and what Postgres says after a migration. All are said before anything ran.
 */
const UNUSABLE = new Set(['26000', '42P05', '0A000'])

/**
 * Keeps the marked statements of a pool prepared on each of its connections: their plans take longer to make than to run. Where that
 * does not work, behind some poolers, it stops for good at the first sign.
 */
export class PreparedStatements {
  readonly #names = new Map<string, string>()
  #usable = true

  async query(client: Client, query: readonly unknown[]): Promise<unknown> {
    const [text, values] = query
    if (!this.#usable || typeof text !== 'string' || !text.trimStart().startsWith(PREPARED_MARK)) {
      return client.query(...query)
    }
    try {
      return await client.query({ name: this.#nameOf(text), text, values })
    } catch (error) {
      if (!UNUSABLE.has(sqlState(error) ?? '')) throw error
      this.#usable = false
      return client.query(text, values)
    }
  }

  /** By the whole text: another version of this package on the same connection means another statement. */
  #nameOf(text: string): string {
    let name = this.#names.get(text)
    if (name === undefined) {
      name = `buslane_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
      this.#names.set(text, name)
    }
    return name
  }
}
