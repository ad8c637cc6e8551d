import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Kysely, PostgresDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { migrate, migrations, postgresPersistence } from '../src/index.ts'
import { request } from './support/store.ts'
import { until } from './support/until.ts'

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

  it('C-70 takes along what is stored, waits, and is held, from the first version', async () => {
    const schema = newSchema()
    const migrator = new Migrator({
      db: kysely,
      provider: migrations(schema),
      migrationTableSchema: schema,
      migrationTableName: 'migrations',
      migrationLockTableName: 'migration_lock',
    })
    await migrator.migrateTo('0001-first')
    const worker = randomUUID()
    const token = randomUUID()
    const message = `'event', 'id ' || n, 'store.tested', 1, 'BUS', '{}', '{}', false, 50, 0, 'retry', n, n, n, 0`
    const columns = `kind, id, type, version, session_id, payload, headers, serial, priority, order_offset, on_crash, accepted_at,
      order_key, base_at, due_at, state, lane, worker, token`
    await pool.query(`
      insert into "${schema}".workers (worker, name, host, pid, started_at, lease_until) values ('${worker}', 'w', 'h', 1, 0, 0);
      insert into "${schema}".events (${columns})
        select ${message}, 'ready', null, null::uuid, null::uuid from generate_series(1, 3) n
        union all select ${message}, 'ready', 'lane', null, null from generate_series(4, 6) n
        union all select ${message}, 'running', 'held', '${worker}', '${token}' from generate_series(7, 7) n
        union all select ${message}, 'ready', 'held', null, null from generate_series(8, 9) n;
      insert into "${schema}".lanes (lane, waiting, held, retrying, worker, head)
        values ('lane', 3, 0, 0, null, 5), ('held', 2, 1, 0, '${worker}', 8)`)
    await migrate(kysely, schema)
    const persistence = postgresPersistence({ pool, schema, notify: false })
    const { events: store } = persistence
    await store.open()
    await store.sweep()
    const mine = await store.join({ name: 'new' })
    const { events } = await store.claim(request(mine.worker))
    expect(events.map(({ message: { id } }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `id ${n}`))
    await persistence.close()
  })

  it('C-70 a migration that is killed half way leaves nothing of it, and the next one does all of it', async () => {
    const schema = newSchema()
    const client = await pool.connect()
    // It gets as far as the table that is in its way, and waits.
    await client.query(`create schema "${schema}"`)
    await client.query('begin')
    await client.query(`create table "${schema}".lanes (own integer)`)
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const persistence = postgresPersistence({ connectionString, schema, notify: false })
    const killed = persistence.events.open().catch((error: unknown) => error)
    const waiting = `select pid from pg_stat_activity where ${rows[0]!.pid} = any(pg_blocking_pids(pid))`
    await until(async () => (await pool.query(waiting)).rowCount === 1)
    await pool.query(`select pg_terminate_backend(pid) from (${waiting}) w`)
    expect(await killed).toMatchObject({ retryable: true })
    await client.query('rollback')
    client.release()
    const left = `select from pg_class where relnamespace = '"${schema}"'::regnamespace`
    expect((await pool.query(left)).rowCount).toBe(0)
    await persistence.events.open()
    await persistence.close()
    expect(await applied(schema)).toEqual(await known(schema))
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
