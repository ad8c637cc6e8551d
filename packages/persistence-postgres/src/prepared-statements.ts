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

/** A table up to this size is read from end to end in no time: what its plans are made of does not matter. */
const SMALL_BYTES = 1024 * 1024

/** What was planned for a table of one size is not relied on for one that is so many times as large. */
const GROWTH = 8

/**
 * Keeps the marked statements of a pool prepared on each of its connections: their plans take longer to make than to run. Where that
 * does not work, behind some poolers, it stops for good at the first sign.
 *
 * Postgres keeps such a plan until it hears that a table has changed. A vacuum that truncates an empty table tells it so, and then the best
 * plan is to read that table from end to end; that the table grows again tells it nothing, until it is analysed a minute later. So plans are
 * discarded here when a table has grown.
 */
export class PreparedStatements {
  readonly #names = new Map<string, string>()
  #usable = true
  /** In bytes, by table: when plans were last discarded for it, or the least that it has had since. */
  readonly #plannedFor = new Map<string, number>()
  /** How often plans were discarded. */
  #discards = 0
  /** How often they were on this connection. */
  readonly #discarded = new WeakMap<Client, number>()

  /** The size of a table that statements read. */
  sized(table: string, bytes: number): void {
    const plannedFor = this.#plannedFor.get(table) ?? 0
    const hasGrown = bytes > SMALL_BYTES && bytes >= GROWTH * plannedFor
    if (hasGrown) this.#discards++
    if (hasGrown || bytes < plannedFor) this.#plannedFor.set(table, bytes)
  }

  async query(client: Client, query: readonly unknown[]): Promise<unknown> {
    const [text, values] = query
    if (!this.#usable || typeof text !== 'string' || !text.trimStart().startsWith(PREPARED_MARK)) {
      return client.query(...query)
    }
    try {
      await this.#discardOn(client)
      return await client.query({ name: this.#nameOf(text), text, values })
    } catch (error) {
      if (!UNUSABLE.has(sqlState(error) ?? '')) throw error
      this.#usable = false
      return client.query(text, values)
    }
  }

  /** Before the first statement after that: a round trip more. A connection that was not seen before has no plans. */
  async #discardOn(client: Client): Promise<void> {
    const discards = this.#discards
    const discarded = this.#discarded.get(client)
    if (discarded === discards) return
    if (discarded !== undefined) await client.query('discard plans')
    this.#discarded.set(client, discards)
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
