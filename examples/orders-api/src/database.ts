import { type Generated, Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import type pg from 'pg'

/** What has been done about an order, in this order. `reminded` comes if it was not paid in time. */
export type Step = 'reserved' | 'confirmed' | 'shipped' | 'reminded'

interface Tables {
  readonly orders: { id: string; customer: string; sku: string; quantity: number; paid: Generated<boolean> }
  readonly order_steps: { position: Generated<number>; order_id: string; step: Step }
  readonly stock: { sku: string; reserved: number }
}

export type Database = Kysely<Tables>
export type DatabaseTransaction = Transaction<Tables>

export const openDatabase = (pool: pg.Pool): Database => new Kysely({ dialect: new PostgresDialect({ pool }) })

/** Your migrations go here. Buslane brings its own, in a schema of its own. */
export async function createTables(database: Database): Promise<void> {
  const statements = [
    sql`create table if not exists orders (
      id text primary key, customer text not null, sku text not null, quantity int not null,
      paid boolean not null default false)`,
    sql`create table if not exists order_steps (
      position bigserial primary key, order_id text not null references orders, step text not null)`,
    sql`create index if not exists order_steps_by_order on order_steps (order_id, position)`,
    sql`create table if not exists stock (sku text primary key, reserved int not null)`,
  ]
  for (const statement of statements) await statement.execute(database)
}
