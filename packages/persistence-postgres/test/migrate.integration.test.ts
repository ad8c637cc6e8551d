import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Kysely, PostgresDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { migrate, migrations, postgresPersistence } from '../src/index.ts'

const connectionString = inject('connectionString')
const script = fileURLToPath(new URL('support/migrate-process.ts', import.meta.url))

let pool: pg.Pool
let kysely: Kysely<unknown>
let schemas = 0
const made: string[] = []

beforeAll(() => {
  pool = new pg.Pool({ connectionString })
  kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
})

afterAll(async () => {
  for (const schema of made) await pool.query(`drop schema if exists "${schema}" cascade`)
  await pool.end()
})

const newSchema = (): string => {
  const schema = `migrate_${process.pid}_${++schemas}`
  made.push(schema)
  return schema
}

const applied = async (schema: string): Promise<readonly string[]> =>
  (await pool.query<{ name: string }>(`select name from "${schema}".migrations order by name`)).rows.map(
    ({ name }) => name,
  )

const known = async (schema: string): Promise<readonly string[]> =>
  Object.keys(await migrations(schema).getMigrations())

describe('migrating', () => {
  it('C-70 two processes at once migrate a schema once', async () => {
    const schema = newSchema()
    const children = [0, 1].map(() =>
      spawn(process.execPath, ['--conditions=@buslane/source', '--no-warnings', script, connectionString, schema], {
        stdio: ['ignore', 'inherit', 'inherit'],
      }),
    )
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as unknown))
    expect(codes).toEqual([0, 0])
    expect(await applied(schema)).toEqual(await known(schema))
  })

  it('C-70 eight connections at once migrate a schema once', async () => {
    const schema = newSchema()
    await Promise.all(Array.from({ length: 8 }, () => migrate(kysely, schema)))
    expect(await applied(schema)).toEqual(await known(schema))
  })

  it('C-70 leaves what is stored alone when it is called again', async () => {
    const schema = newSchema()
    await migrate(kysely, schema)
    await pool.query(`insert into "${schema}".idempotency (key, id) values ('key', 'id')`)
    await migrate(kysely, schema)
    expect((await pool.query(`select 1 from "${schema}".idempotency`)).rowCount).toBe(1)
  })

  it('C-70 refuses a schema that a newer version has migrated', async () => {
    const schema = newSchema()
    await migrate(kysely, schema)
    await pool.query(
      `insert into "${schema}".migrations (name, timestamp) values ('9999-later', '2099-01-01T00:00:00.000Z')`,
    )
    await expect(migrate(kysely, schema)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW', retryable: false })
    const persistence = postgresPersistence({ pool, schema })
    await expect(persistence.events.open()).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' })
  })

  it('does not wait for an advisory lock of the application, nor for one of another schema', async () => {
    const schema = newSchema()
    const client = await pool.connect()
    await client.query('select pg_advisory_lock(0), pg_advisory_lock(3853314791062309107)')
    await client.query(`select pg_advisory_lock(hashtext('@buslane/persistence-postgres'), hashtext('another'))`)
    await migrate(kysely, schema)
    client.release(true)
    expect(await applied(schema)).toEqual(await known(schema))
  })

  it('needs no right to create schemas where the schema is there', async () => {
    const schema = newSchema()
    const role = `role_${schema}`
    await pool.query(`create role "${role}" login password 'secret'; create schema "${schema}" authorization "${role}"`)
    const url = new URL(connectionString)
    url.username = role
    url.password = 'secret'
    const persistence = postgresPersistence({ connectionString: url.href, schema, notify: false })
    await persistence.events.open()
    await persistence.close()
    expect(await applied(schema)).toEqual(await known(schema))
    await pool.query(`drop schema "${schema}" cascade; drop role "${role}"`)
  })
})

describe('autoMigrate: false', () => {
  it('refuses a schema that lacks migrations, and accepts it once they have run', async () => {
    const schema = newSchema()
    const persistence = postgresPersistence({ pool, schema, autoMigrate: false, notify: false })
    await expect(persistence.events.open()).rejects.toMatchObject({ code: 'SCHEMA_OUTDATED' })
    await migrate(kysely, schema)
    await persistence.events.open()
    await persistence.close()
  })

  it("runs the migrations with Kysely's own migrator, too", async () => {
    const schema = newSchema()
    const migrator = new Migrator({
      db: kysely,
      provider: migrations(schema),
      migrationTableSchema: schema,
      migrationTableName: 'migrations',
      migrationLockTableName: 'migration_lock',
    })
    const { error } = await migrator.migrateToLatest()
    expect(error).toBeUndefined()
    const persistence = postgresPersistence({ pool, schema, autoMigrate: false, notify: false })
    await persistence.events.open()
    await persistence.close()
  })
})
