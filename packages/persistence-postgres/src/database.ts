import { type CompiledQuery, type Kysely, type RawBuilder, sql } from 'kysely'
import { retrying, storeError } from './errors.ts'
import { identifier } from './ids.ts'
import type { Tables } from './tables.ts'

/** A table's or an index's name in the store's schema, for use in statements. */
type Name = RawBuilder<unknown>

/** What every statement of the store needs: where to run, and what the tables are called there. */
export interface Database {
  /** Without the user's plugins, in the store's schema. */
  readonly kysely: Kysely<Tables>
  readonly schema: string
  readonly events: Name
  readonly lanes: Name
  readonly workers: Name
  readonly watermarks: Name
  readonly deadLetters: Name
  readonly idempotency: Name
  readonly eventLog: Name
  readonly approvals: Name
  /** An expression: how large a table is, in bytes. */
  sizeOf(table: keyof Tables): RawBuilder<number>
  /** Runs one statement as a transaction of its own; again, if the database says that it could not be serialised. */
  run<Row>(statement: Statement<Row>): Promise<readonly Row[]>
  /** For running a statement on a connection of the caller's. */
  compile<Row>(statement: Statement<Row>): CompiledQuery<Row>
}

/** To be compiled, or compiled before. */
export type Statement<Row> = RawBuilder<Row> | CompiledQuery<Row>

/** `kysely` may be the user's own: its plugins are left out, because they would rename what is read. */
export const createDatabase = (kysely: Kysely<unknown>, schema: string): Database => {
  const own = kysely.withoutPlugins().withSchema(schema) as unknown as Kysely<Tables>
  const name = (table: keyof Tables): Name => sql.id(schema, table)
  const compile = <Row>(statement: Statement<Row>): CompiledQuery<Row> =>
    'sql' in statement ? statement : statement.compile(own)
  return {
    kysely: own,
    schema,
    events: name('events'),
    lanes: name('lanes'),
    workers: name('workers'),
    watermarks: name('watermarks'),
    deadLetters: name('dead_letters'),
    idempotency: name('idempotency'),
    eventLog: name('event_log'),
    approvals: name('approvals'),
    sizeOf: (table) => sql`pg_relation_size(${sql.lit(`${identifier(schema)}.${identifier(table)}`)})::float8`,
    async run<Row>(statement: Statement<Row>): Promise<readonly Row[]> {
      try {
        const compiled = compile(statement)
        return (await retrying(() => own.executeQuery(compiled))).rows
      } catch (error) {
        throw storeError(error)
      }
    },
    compile,
  }
}

/** The start of the statement, in epoch milliseconds rounded down: stable, so that it may bound an index scan. */
export const NOW: RawBuilder<number> = sql`floor(extract(epoch from statement_timestamp()) * 1000)::bigint`

/** The moment it is evaluated. Leases are written with it: a statement that waited must not write a lease of the past. */
export const CLOCK: RawBuilder<number> = sql`floor(extract(epoch from clock_timestamp()) * 1000)::bigint`

/**
 * Before a statement whose plan is the same for all values, and takes longer to make than to run: the pool keeps it prepared. Where
 * there is no pool of `pg` it is a comment.
 */
export const PREPARED_MARK = '/* buslane: prepared */'

export const PREPARED: RawBuilder<unknown> = sql.raw(PREPARED_MARK)
