import type { ClaimRequest, EventStore, NewEvent } from '@buslane/core'
import { PLAIN_EVENT } from '@buslane/testkit/conformance'
import pg from 'pg'
import { postgresPersistence, type StoreOptions } from '../../src/index.ts'

let schemas = 0

/** A schema of its own on the server, with one open store, and a client that looks behind it. */
export const openStore = async (
  connectionString: string,
  options: StoreOptions & { readonly maxConnections?: number } = {},
): Promise<OpenedStore> => {
  const schema = `store_${process.pid}_${++schemas}`
  const client = new pg.Client({ connectionString })
  await client.connect()
  const opened: { close(): Promise<void> }[] = []
  const another = async (more: StoreOptions = {}): Promise<EventStore> => {
    const persistence = postgresPersistence({ connectionString, schema, notify: false, ...options, ...more })
    await persistence.events.open()
    opened.push(persistence)
    return persistence.events
  }
  const store = await another()
  return {
    schema,
    client,
    store,
    another,
    async [Symbol.asyncDispose]() {
      for (const persistence of opened) await persistence.close()
      await client.query(`drop schema "${schema}" cascade`)
      await client.end()
    },
  }
}

export interface OpenedStore extends AsyncDisposable {
  readonly schema: string
  readonly client: pg.Client
  readonly store: EventStore
  /** A store on the same schema with connections of its own. */
  another(options?: StoreOptions): Promise<EventStore>
}

let events = 0

export const newEvent = (
  changes: Partial<NewEvent> & { readonly id?: string; readonly type?: string } = {},
): NewEvent => {
  const { id = `event-${++events}`, type = 'store.tested', ...rest } = changes
  return {
    message: { kind: 'event', id, type, version: 1, sessionId: 'BUS', payload: '{"n":1}', headers: '{}' },
    ...PLAIN_EVENT,
    ...rest,
  }
}

export const manyEvents = (count: number, changes: (index: number) => Partial<NewEvent> = () => ({})): NewEvent[] =>
  Array.from({ length: count }, (_, index) => newEvent(changes(index)))

export const request = (worker: string, changes: Partial<ClaimRequest> = {}): ClaimRequest => ({
  worker,
  types: [{ type: 'store.tested', version: 1, handlers: ['handler'] }],
  limit: 100,
  start: 100,
  laneLimit: 8,
  serialLimit: 100,
  ...changes,
})

/** What is wrong with the lanes: rows whose counts are not those of their events, and lanes without a row. Empty if nothing is. */
export const wrongLanes = async ({ client, schema }: OpenedStore): Promise<readonly unknown[]> => {
  const { rows } = await client.query<object>(`
    with counted as (
      select lane,
        count(*) filter (where state = 'ready')::int as waiting,
        count(*) filter (where state = 'running')::int as held,
        count(*) filter (where state = 'retrying')::int as retrying,
        count(distinct worker)::int as workers,
        min(worker::text) as worker,
        min(order_key) filter (where state = 'ready') as head
      from "${schema}".events
      where lane is not null and state in ('ready', 'running', 'retrying')
      group by lane)
    select coalesce(c.lane, l.lane) as lane, to_json(c) as counted, to_json(l) as kept
    from counted c full join "${schema}".lanes l on l.lane = c.lane
    where (c.waiting, c.held, c.retrying) is distinct from (l.waiting, l.held, l.retrying)
      or c.worker is distinct from l.worker::text or c.workers > 1 or c.waiting > 0 and l.head > c.head`)
  return rows
}
