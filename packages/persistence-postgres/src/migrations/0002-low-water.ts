import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** The marks by which claims pass over dead rows that cannot be removed: see `low-water.ts`. */
export const lowWater = (schema: string): Migration => {
  const table = (name: string) => sql.id(schema, name)
  const statements = [
    sql`create table ${table('watermarks')} (
      lane_era integer not null,
      late_era integer not null,
      floor double precision not null
    )`,
    sql`insert into ${table('watermarks')} (lane_era, late_era, floor) values (1, 1, '-infinity')`,

    sql`alter table ${table('events')} add column late integer not null default 0`,
    sql`drop index ${table('events_ready')}`,
    sql`drop index ${table('events_serial')}`,
    sql`create index events_ready on ${table('events')} (late, order_key, key)
      where state = 'ready' and lane is null and not serial`,
    sql`create index events_serial on ${table('events')} (late, order_key, key)
      where state = 'ready' and lane is null and serial`,

    sql`alter table ${table('lanes')} add column era integer not null default 1, add column reach double precision`,
    sql`alter table ${table('lanes')} alter column era drop default`,
    // What is there may be off by a race, and has been a hint so far.
    sql`update ${table('lanes')} set head = '-infinity' where waiting > 0`,
    sql`update ${table('lanes')} set reach = 'infinity' where held > 0`,
    sql`alter table ${table('lanes')} drop constraint lanes_pkey, add primary key (era, lane)`,
    sql`drop index ${table('lanes_free')}`,
    sql`drop index ${table('lanes_held')}`,
    sql`create index lanes_free on ${table('lanes')} (era, head, lane)
      where worker is null and retrying = 0 and waiting > 0`,
    sql`create index lanes_held on ${table('lanes')} (era, worker, head, lane)
      where worker is not null and retrying = 0 and waiting > 0`,
  ]
  return {
    // Given by Kysely as a database of any shape.
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of statements) await statement.execute(db)
    },
  }
}
