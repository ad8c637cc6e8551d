import pg from 'pg'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { postgresPersistence } from '../src/index.ts'
import { newEvent, openStore, type OpenedStore, request } from './support/store.ts'
import { Kept, Plain, publishing, troubledBus } from './support/trouble.ts'
import { until } from './support/until.ts'

// What a database that can be reached refuses.

const connectionString = inject('connectionString')

/**
 * The next inserts of events fail so many times. A sequence counts them: it is not rolled back. The trigger stands for what cannot be
 * brought about at will; a full disk says the same when the table cannot grow.
 */
const failInserts = async (
  { client, schema }: Pick<OpenedStore, 'client' | 'schema'>,
  sqlState: string,
  times: number,
): Promise<void> => {
  await client.query(`
    create sequence "${schema}".failures;
    create function "${schema}".fail() returns trigger language plpgsql as $$ begin
      if nextval('"${schema}".failures') <= ${times} then
        raise exception 'brought about by a test' using errcode = '${sqlState}';
      end if;
      return new;
    end $$;
    create trigger failing before insert on "${schema}".events for each row execute function "${schema}".fail()`)
}

describe.for(['40001', '40P01'])('C-69 %s', (sqlState) => {
  it('is no failure of an append that then succeeds', async () => {
    await using opened = await openStore(connectionString)
    await failInserts(opened, sqlState, 9)
    const [answer] = await opened.store.append([newEvent({ idempotencyKey: 'once' })], undefined)
    expect(answer).toMatchObject({ status: 'stored' })
    expect((await opened.client.query(`select from "${opened.schema}".events`)).rowCount).toBe(1)
  })

  it('that does not end is told, as what may pass', async () => {
    await using opened = await openStore(connectionString)
    await failInserts(opened, sqlState, 1000)
    await expect(opened.store.append([newEvent()], undefined)).rejects.toMatchObject({
      code: 'PERSISTENCE_UNAVAILABLE',
      retryable: true,
    })
  })
})

it('C-69 gives each event to one worker where transactions are serializable', async () => {
  const url = new URL(connectionString)
  url.searchParams.set('options', '-c default_transaction_isolation=serializable')
  await using opened = await openStore(url.href, { maxConnections: 8 })
  const { store } = opened
  const workers = await Promise.all([1, 2, 3, 4].map(() => store.join({ name: 'worker' })))
  for (let n = 0; n < 10; n++)
    await store.append(
      Array.from({ length: 30 }, (_, lane) => newEvent({ lane: `lane ${lane % 7}` })),
      undefined,
    )
  const keys: string[] = []
  const drain = async (worker: string): Promise<void> => {
    while (keys.length < 300) {
      const { events } = await store.claim(request(worker, { limit: 5 }))
      await store.report(events.map(({ lease }) => ({ kind: 'complete', lease })))
      keys.push(...events.map(({ lease }) => lease.key))
    }
  }
  await Promise.all(workers.map(({ worker }) => drain(worker)))
  expect(new Set(keys).size).toBe(300)
})

const busOn = async (options: Parameters<typeof troubledBus>[0]) => {
  const troubled = troubledBus(options)
  const client = new pg.Client({ connectionString })
  await client.connect()
  await troubled.bus.start()
  onTestFinished(async () => {
    await troubled.bus.stop()
    await client.query(`drop schema "${troubled.schema}" cascade`)
    await client.end()
  })
  return { ...troubled, client }
}

it('R-DUR-2 a full disk refuses a publish with a typed error, and loses nothing that was accepted', async () => {
  const { bus, seen, ...database } = await busOn({ connectionString })
  const publisher = publishing(bus)
  await until(() => seen.length > 100)
  await failInserts(database, '53100', 5)
  const refused = await bus.publish(Kept({ n: 0 })).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
  await until(() => seen.includes('recovered'))
  const before = seen.length
  await until(() => seen.length > before + 100)
  const accepted = await publisher.stop()
  await bus.idle()
  expect(accepted.filter((n) => !seen.includes(`kept ${n}`))).toEqual([])
  expect(seen).not.toContain('kept 0')
})

it('R-DUR-10 a pool of one connection publishes, claims and hears hints', async () => {
  const pool = new pg.Pool({ connectionString, max: 1 })
  onTestFinished(() => pool.end())
  const { seen, schema, bus } = await busOn({ pool, pollMs: 60_000, sweepMs: 60_000 })
  await Promise.all(Array.from({ length: 50 }, (_, n) => bus.publish(Kept({ n }))))
  await bus.idle()
  expect(seen).toHaveLength(50)
  // Stored by a process that handles nothing, and found before any poll.
  const elsewhere = postgresPersistence({ connectionString, schema })
  onTestFinished(() => elsewhere.close())
  await elsewhere.events.open()
  const { message } = newEvent({ type: Kept.type })
  await elsewhere.events.append([newEvent({ message: { ...message, payload: '{"n":1000}' } })], undefined)
  await until(() => seen.includes('kept 1000'))
})

it.for([
  ['that says so in time', { connectionTimeoutMillis: 300 }],
  ['that lets everybody wait', {}],
] as const)(
  'R-SCH-4 a pool %s, all of whose connections others have, holds up no event in memory, and is used again when it can be',
  async ([, limits]) => {
    const pool = new pg.Pool({ connectionString, max: 2, ...limits })
    onTestFinished(() => pool.end())
    const { bus, seen } = await busOn({ pool, leaseMs: 1000, connectMs: 500 })
    const publisher = publishing(bus)
    await until(() => seen.length > 100)
    const taken = await Promise.all([pool.connect(), pool.connect()])
    await until(() => seen.includes('degraded'))
    await bus.publish(Plain({ n: 1 }))
    await until(() => seen.includes('plain 1'))
    const refused = await bus.publish(Kept({ n: 0 })).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'PERSISTENCE_UNAVAILABLE' })
    for (const client of taken) client.release()
    const freedAt = performance.now()
    await until(() => seen.includes('recovered'))
    expect(performance.now() - freedAt).toBeLessThan(5000)
    const accepted = await publisher.stop()
    await until(() => accepted.every((n) => seen.includes(`kept ${n}`)))
  },
)
