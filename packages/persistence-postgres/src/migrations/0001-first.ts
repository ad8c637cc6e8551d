import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Columns of a message, which events, dead letters and the log have alike. */
const message = sql`
  kind text not null,
  id text not null,
  type text not null,
  version integer not null,
  session_id text not null,
  payload text not null,
  headers text not null`

/** What a dead letter keeps of its event, so that a replay can restore it. */
const carried = sql`
  ${message},
  lane text,
  serial boolean not null,
  priority double precision not null,
  order_offset double precision,
  on_crash text not null,
  idempotency_key text,
  handlers text,
  progress text,
  error text,
  accepted_at bigint not null,
  first_failed_at bigint,
  replays integer not null default 0,
  original_payload text,
  edited_by text`

export const first = (schema: string): Migration => {
  const table = (name: string) => sql.id(schema, name)
  const statements = [
    // The identity is both the key of an event and what breaks ties of its order: it comes from the database.
    sql`create table ${table('events')} (
      key bigint generated always as identity primary key,
      state text not null,
      order_key double precision not null,
      base_at bigint not null,
      due_at bigint not null,
      expires_at bigint,
      owner uuid,
      worker uuid,
      token uuid,
      started boolean not null default false,
      begun boolean not null default false,
      unreported integer not null default 0,
      interruptions integer not null default 0,
      deferred_since bigint,
      reason text,
      ${carried},
      check ((state = 'running') = (token is not null)),
      check ((state = 'running') = (worker is not null))
    )`,
    // One partial index per role: an event is in those of its state only, so a million scheduled ones cost a claim nothing.
    sql`create index events_ready on ${table('events')} (order_key, key)
      where state = 'ready' and lane is null and not serial`,
    sql`create index events_serial on ${table('events')} (order_key, key)
      where state = 'ready' and lane is null and serial`,
    sql`create index events_lane on ${table('events')} (lane, begun desc, order_key, key)
      where lane is not null and state in ('ready', 'running')`,
    sql`create index events_due on ${table('events')} (due_at, key) where state in ('scheduled', 'retrying')`,
    sql`create index events_worker on ${table('events')} (worker, key) where state = 'running'`,
    sql`create index events_unhandled on ${table('events')} (type, version, key) where state = 'unhandled'`,
    sql`create index events_aside on ${table('events')} (state, key)
      where state in ('unhandled', 'undecodable', 'dead')`,
    sql`create index events_owner on ${table('events')} (owner) where owner is not null`,

    // Most changes of a lane change `held` alone, which is in no index: with room on the page no index is written to.
    sql`create table ${table('lanes')} (
      lane text primary key,
      waiting integer not null check (waiting >= 0),
      held integer not null check (held >= 0),
      retrying integer not null,
      worker uuid,
      head double precision,
      check ((held = 0) = (worker is null))
    ) with (fillfactor = 40)`,
    sql`create index lanes_free on ${table('lanes')} (head, lane)
      where worker is null and retrying = 0 and waiting > 0`,
    sql`create index lanes_held on ${table('lanes')} (worker, head, lane)
      where worker is not null and retrying = 0 and waiting > 0`,

    sql`create table ${table('workers')} (
      worker uuid primary key default gen_random_uuid(),
      name text not null,
      host text not null,
      pid integer not null,
      started_at bigint not null,
      lease_until bigint not null,
      dead_at bigint
    )`,

    sql`create table ${table('dead_letters')} (
      key bigint generated always as identity primary key,
      reason text not null,
      dead_at bigint not null,
      worker text not null,
      ${carried}
    )`,
    sql`create index dead_letters_reason on ${table('dead_letters')} (reason, key)`,

    sql`create table ${table('idempotency')} (
      key text primary key,
      id text not null,
      outcome text,
      expires_at bigint
    )`,
    sql`create index idempotency_expiry on ${table('idempotency')} (expires_at) where expires_at is not null`,

    sql`create table ${table('event_log')} (
      position bigint generated always as identity primary key,
      logged_at bigint not null,
      ${message}
    )`,
  ]
  return {
    // Given by Kysely as a database of any shape.
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of statements) await statement.execute(db)
    },
  }
}
