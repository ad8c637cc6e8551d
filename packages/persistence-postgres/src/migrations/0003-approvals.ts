import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

export const approvals = (schema: string): Migration => {
  const table = sql.id(schema, 'approvals')
  const statements = [
    // Looked up by id, which the application gives; listed by key, which comes from the database and only rises.
    sql`create table ${table} (
      id text primary key,
      key bigint generated always as identity unique,
      revision integer not null,
      status text not null,
      type text not null,
      session_id text not null,
      record text not null,
      added_at bigint not null,
      updated_at bigint not null
    )`,
    sql`create index approvals_status on ${table} (status, key)`,
  ]
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of statements) await statement.execute(db)
    },
  }
}
