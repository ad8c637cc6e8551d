import { randomUUID } from 'node:crypto'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { insertEvents } from '../src/append-statement.ts'
import { buryStatement } from '../src/bury.ts'
import { claimStatement } from '../src/claim-statement.ts'
import type { StoreContext } from '../src/context.ts'
import { createDatabase, type Statement } from '../src/database.ts'
import { giveBackStatement } from '../src/give-back.ts'
import { storeConfig } from '../src/options.ts'
import { dueStatement, unhandledStatement } from '../src/ready.ts'
import { completeStatement, updateStatement } from '../src/report-statement.ts'
import { manyEvents, newEvent, openStore, type OpenedStore, request } from './support/store.ts'

// A million events that are not due, and as many that are held by others, must not cost a statement more than a few probes.

const MILLION = 1_000_000

let opened: OpenedStore
let pool: pg.Pool
let context: StoreContext
let worker: string
/** The first column of each index of events. */
let leadingColumns: ReadonlyMap<string, string>

beforeAll(async () => {
  opened = await openStore(inject('connectionString'))
  const { client, schema, store } = opened
  ;({ worker } = await store.join({ name: 'planner' }))
  const busy = randomUUID()
  const columns = `kind, id, type, version, session_id, payload, headers, serial, priority, order_offset, on_crash, accepted_at,
    order_key, base_at`
  const values = `'event', 'id' || n, 'store.tested', 1, 'BUS', '{}', '{}', false, 50, 0, 'retry', n, n, n`
  await client.query(`
    insert into "${schema}".events (${columns}, state, due_at)
    select ${values}, 'scheduled', 8640000000000000 - n from generate_series(1, ${MILLION}) n`)
  await client.query(`
    insert into "${schema}".events (${columns}, state, due_at, worker, token)
    select ${values}, 'running', 0, '${worker}', '${busy}' from generate_series(1, ${MILLION / 10}) n`)
  const { rows } = await client.query<{ name: string; leading: string }>(`
    select c.relname as name, a.attname as leading
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = '"${schema}".events'::regclass`)
  leadingColumns = new Map(rows.map(({ name, leading }) => [name, leading]))
  pool = new pg.Pool({ connectionString: inject('connectionString') })
  const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  context = { db: createDatabase(kysely, schema), config: storeConfig({}), hint() {} } as unknown as StoreContext
}, 300_000)

afterAll(async () => {
  await pool.end()
  await opened[Symbol.asyncDispose]()
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly PlanNode[]
}

/** All steps of the plan for these values. */
const planOf = async (statement: Statement<unknown>): Promise<readonly PlanNode[]> => {
  const { client } = opened
  const { sql, parameters } = context.db.compile(statement)
  const { rows } = await client.query<{ 'QUERY PLAN': readonly [{ Plan: PlanNode }] }>(`explain (format json) ${sql}`, [
    ...parameters,
  ])
  const all = (node: PlanNode): readonly PlanNode[] => [node, ...(node.Plans ?? []).flatMap(all)]
  return all(rows[0]!['QUERY PLAN'][0].Plan)
}

/** The steps that read the table of events, or an index of it, from end to end. */
const readWhole = async (statement: Statement<unknown>): Promise<readonly string[]> => {
  const nodes = await planOf(statement)
  return nodes.flatMap((node) => {
    const { 'Node Type': type, 'Relation Name': table, 'Index Name': index, 'Index Cond': condition = '' } = node
    if (type.includes('Seq Scan') && table === 'events') return [type]
    const leading = index === undefined ? undefined : leadingColumns.get(index)
    return leading === undefined || new RegExp(`\\b${leading}\\b`).test(condition)
      ? []
      : [`${type} ${index} ${condition}`]
  })
}

/** Each thirtieth sweep looks for the first worker that holds something, and then for the next one: the first has none before it. */
const FIRST_HOLDER = /^(Index Only Scan|Bitmap Index Scan) events_worker $/

const leases = Array.from({ length: 500 }, (_, index) => ({ key: String(MILLION + index), token: randomUUID() }))
const types = [{ type: 'store.tested', version: 1, handlers: ['handler'] }]

const statements: Record<string, () => Statement<unknown>> = {
  'claim without lanes': () =>
    claimStatement(context, request(worker), { token: randomUUID(), evenIfDue: false, lanes: false }),
  'claim with lanes': () =>
    claimStatement(context, request(worker, { limit: 500 }), { token: randomUUID(), evenIfDue: true, lanes: true }),
  'claim while a type is paused': () =>
    claimStatement(context, request(worker, { types: [{ ...types[0]!, paused: true }] }), {
      token: randomUUID(),
      evenIfDue: false,
      lanes: true,
    }),
  append: () =>
    insertEvents(
      context,
      manyEvents(500, (index) => ({ lane: `lane ${index}` })),
      { worker },
    ).statement,
  'append one': () => insertEvents(context, [newEvent()], { worker }).statement,
  'append one for this worker': () =>
    insertEvents(context, [newEvent({ keep: { start: ['handler'] } })], { worker }).statement,
  'complete one': () => completeStatement(context, leases.slice(0, 1)),
  'complete 500 of one claim': () =>
    completeStatement(
      context,
      leases.map(({ key }) => ({ key, token: leases[0]!.token })),
    ),
  'complete 500': () => completeStatement(context, leases),
  'other reports': () =>
    updateStatement(
      context,
      leases.map((lease) => ({ kind: 'start', lease, handlers: ['handler'] }) as const),
    ),
  'dead letters': () =>
    buryStatement(
      context,
      leases.map((lease) => ({ ...lease, reason: 'failed', progress: {}, error: undefined })),
    ),
  'due events': () => dueStatement(context),
  'unhandled events': () => unhandledStatement(context, types),
  'giving back': () => giveBackStatement(context, undefined),
  'giving back what one worker held': () => giveBackStatement(context, worker),
}

describe.for(['never analysed', 'analysed', 'believed to be empty'])('R-SCH-1 on a table %s', (state) => {
  beforeAll(async () => {
    const { client, schema } = opened
    if (state === 'analysed') await client.query(`analyze "${schema}".events`)
    // What a vacuum leaves behind that came when all had been handled.
    if (state === 'believed to be empty') {
      await client.query(`update pg_class set reltuples = 0 where oid = '"${schema}".events'::regclass`)
    }
  }, 60_000)

  it.for(Object.keys(statements))('reads neither it nor an index of it from end to end: %s', async (name) => {
    const whole = await readWhole(statements[name]!())
    expect(whole.filter((step) => !(name === 'giving back' && FIRST_HOLDER.test(step)))).toEqual([])
  })

  it('C-26 a claim among a million events reads a handful of pages', async () => {
    const { client } = opened
    const { sql, parameters } = context.db.compile(statements['claim with lanes']!())
    const { rows } = await client.query<{ 'QUERY PLAN': readonly [{ Plan: Record<string, number> }] }>(
      `explain (analyze, buffers, format json) ${sql}`,
      [...parameters],
    )
    const plan = rows[0]!['QUERY PLAN'][0].Plan
    expect(plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!).toBeLessThan(200)
  })
})
