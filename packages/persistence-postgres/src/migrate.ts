import { BusError } from '@buslane/core'
import { type Kysely, sql } from 'kysely'
import { migrationNames, migrations } from './migrations/index.ts'
import { checkMethods, describeError, storeError } from './errors.ts'
import { identifier } from './ids.ts'
import { requireSchema } from './options.ts'

const TABLE = 'migrations'

/**
 * Brings the schema up to date, in one transaction: it creates the schema and its tables if they are not there. For use in a
 * deployment step with `autoMigrate: false`.
 *
 * *Concurrency*: any number of processes at once; one migrates and the others wait for it.
 *
 * @throws {BusError} `SCHEMA_TOO_NEW` if a newer version of this package migrated the schema; `MIGRATION_FAILED`; `INVALID_ARGUMENT`
 */
export const migrate = async (kysely: Kysely<unknown>, schema = 'buslane'): Promise<void> => {
  checkMethods('kysely', kysely, ['withoutPlugins', 'transaction'])
  requireSchema(schema)
  const plain = kysely.withoutPlugins()
  if (await isCurrent(plain, schema)) return
  await plain.transaction().execute(async (transaction) => {
    // The first half of the key is this package's own and the second the schema's: the two-part key space is apart from that
    // of single numbers, which Kysely's migrator and most applications lock. Held until the commit, so whoever comes next
    // sees all of it.
    await sql`select pg_advisory_xact_lock(hashtext('@buslane/persistence-postgres'), hashtext(${schema}))`.execute(
      transaction,
    )
    if (await isCurrent(transaction, schema)) return
    try {
      await runPending(transaction, schema)
    } catch (error) {
      throw new BusError(
        'MIGRATION_FAILED',
        `The schema '${schema}' could not be migrated, nothing was changed: ${describeError(error)}`,
        { cause: error, retryable: storeError(error).retryable },
      )
    }
  })
}

/**
 * What Kysely's migrator does, with its table, so that either may go on where the other stopped. That one reads the catalogue of all
 * schemas, and fails when somebody drops one meanwhile.
 */
const runPending = async (transaction: Kysely<unknown>, schema: string): Promise<void> => {
  const table = sql.id(schema, TABLE)
  // Even `if not exists` asks for the right to create schemas, which an application that was given its schema may lack.
  const { rows } = await sql<{ there: boolean }>`
    select to_regnamespace(${identifier(schema)}) is not null as there`.execute(transaction)
  if (!rows[0]?.there) await sql`create schema ${sql.id(schema)}`.execute(transaction)
  await sql`create table if not exists ${table} (name varchar(255) primary key, timestamp varchar(255) not null)`.execute(
    transaction,
  )
  const done = new Set((await sql<{ name: string }>`select name from ${table}`.execute(transaction)).rows.map(nameOf))
  for (const [name, migration] of Object.entries(await migrations(schema).getMigrations())) {
    if (done.has(name)) continue
    await migration.up(transaction)
    await sql`insert into ${table} (name, timestamp) values (${name}, ${new Date().toISOString()})`.execute(transaction)
  }
}

const nameOf = ({ name }: { readonly name: string }): string => name

/** @throws {BusError} `SCHEMA_OUTDATED`, `SCHEMA_TOO_NEW` */
export const requireCurrent = async (kysely: Kysely<unknown>, schema: string): Promise<void> => {
  if (await isCurrent(kysely.withoutPlugins(), schema)) return
  throw new BusError(
    'SCHEMA_OUTDATED',
    `The schema '${schema}' lacks migrations of this version of @buslane/persistence-postgres. ` +
      'Run migrate() in your deployment, or set autoMigrate',
    { retryable: true },
  )
}

/** Whether nothing is left to be done. @throws {BusError} `SCHEMA_TOO_NEW` */
const isCurrent = async (db: Kysely<unknown>, schema: string): Promise<boolean> => {
  const table = sql.id(schema, TABLE)
  const found = await sql<{
    there: boolean
  }>`select to_regclass(${`${identifier(schema)}.${TABLE}`}) is not null as there`.execute(db)
  if (!found.rows[0]?.there) return false
  const { rows } = await sql<{ name: string }>`select name from ${table}`.execute(db)
  const done = new Set(rows.map(nameOf))
  const unknown = [...done].filter((name) => !migrationNames.includes(name))
  if (unknown.length > 0) {
    throw new BusError(
      'SCHEMA_TOO_NEW',
      `The schema '${schema}' has migrations that this version of @buslane/persistence-postgres does not know ` +
        `(${unknown.join(', ')}). Deploy the newer version here, too`,
      { retryable: false },
    )
  }
  return migrationNames.every((name) => done.has(name))
}
