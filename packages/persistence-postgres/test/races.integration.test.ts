import type { ClaimedEvent, EventStore } from '@buslane/core'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import type { StoreContext } from '../src/context.ts'
import { createDatabase } from '../src/database.ts'
import { raiseMarks } from '../src/low-water.ts'
import { manyEvents, newEvent, openStore, request, wrongLanes } from './support/store.ts'

const connectionString = inject('connectionString')

const complete = (events: readonly ClaimedEvent[]) => events.map(({ lease }) => ({ kind: 'complete', lease }) as const)

const append = async (store: EventStore, ...args: Parameters<typeof manyEvents>): Promise<void> => {
  const events = manyEvents(...args)
  for (let from = 0; from < events.length; from += 500) await store.append(events.slice(from, from + 500), undefined)
}

describe('claims', () => {
  it('C-1 R-DUR-3 gives each of 2,000 events to one of 16 claimers that begin at once', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 20 })
    const { store } = opened
    await append(store, 2000)
    const workers = await Promise.all(Array.from({ length: 16 }, () => store.join({ name: 'claimer' })))
    const keys: string[] = []
    const drain = async (worker: string): Promise<void> => {
      for (;;) {
        const { events } = await store.claim(request(worker, { limit: 20 }))
        keys.push(...events.map(({ lease }) => lease.key))
        if (events.length === 0) return
      }
    }
    await Promise.all(workers.map(({ worker }) => drain(worker)))
    expect(keys).toHaveLength(2000)
    expect(new Set(keys).size).toBe(2000)
  })

  it('R-LANE-3 gives a lane to one claimer at a time, in order, while its events are appended and settled', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 20 })
    const { store } = opened
    const lanes = 7
    const perLane = 150
    const holders = new Map<string, string>()
    const done = new Map<string, number[]>()
    const overlaps: string[] = []
    let left = lanes * perLane
    const publisher = async (from: number): Promise<void> => {
      for (let index = from; index < perLane; index += 3) {
        const batch = Array.from({ length: lanes }, (_, lane) =>
          newEvent({ lane: `lane ${lane}`, id: `${lane} ${index}` }),
        )
        await store.append(batch, undefined)
      }
    }
    const worker = async (): Promise<void> => {
      const { worker: id } = await store.join({ name: 'worker' })
      while (left > 0) {
        const { events } = await store.claim(request(id, { limit: 12, laneLimit: 3 }))
        for (const { lane } of events) {
          const holder = holders.get(lane!)
          if (holder !== undefined && holder !== id) overlaps.push(lane!)
          holders.set(lane!, id)
        }
        for (const event of events) done.set(event.lane!, [...(done.get(event.lane!) ?? []), Number(event.lease.key)])
        // Forgotten before the report: after it the lane may be another's.
        for (const { lane } of events) holders.delete(lane!)
        const answers = await store.report(complete(events))
        left -= answers.filter(({ status }) => status === 'ok').length
      }
    }
    await Promise.all([publisher(0), publisher(1), publisher(2), ...Array.from({ length: 8 }, worker)])
    expect(overlaps).toEqual([])
    expect([...done.values()].flat()).toHaveLength(lanes * perLane)
    expect(await wrongLanes(opened)).toEqual([])
  })

  it('R-LANE-3 does not let a claim overtake a commit into a lane that is held', async () => {
    await using opened = await openStore(connectionString)
    const { store } = opened
    const one = await store.join({ name: 'one' })
    const two = await store.join({ name: 'two' })
    await store.append([newEvent({ lane: 'chat' })], undefined)
    const first = await store.claim(request(one.worker))
    await store.append([newEvent({ lane: 'chat', orderOffsetMs: -60_000 })], undefined)
    expect((await store.claim(request(two.worker))).events).toEqual([])
    expect(first.events).toHaveLength(1)
  })

  it('never waits for another claim, nor for a row that somebody else has locked', async () => {
    await using opened = await openStore(connectionString)
    const { store, client, schema } = opened
    const { worker } = await store.join({ name: 'claimer' })
    await store.append([newEvent(), newEvent(), newEvent({ lane: 'a' }), newEvent({ lane: 'b' })], undefined)
    await client.query('begin')
    await client.query(`select 1 from "${schema}".events where key = 1 for update`)
    await client.query(`select 1 from "${schema}".lanes where lane = 'a' for update`)
    const { events } = await store.claim(request(worker))
    await client.query('commit')
    expect(events.map(({ lease }) => lease.key)).toEqual(['2', '4'])
  })
})

describe('leases', () => {
  it('C-8 R-DUR-3 a sweep and the claims of workers whose lease has run out leave no event without an owner', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 20, leaseMs: 100, heartbeatMs: 20 })
    const { store, client, schema } = opened
    await append(store, 600, (index) => (index % 2 === 0 ? {} : { lane: `lane ${index % 20}` }))
    const done: string[] = []
    const work = async (): Promise<void> => {
      let { worker } = await store.join({ name: 'late' })
      while (done.length < 600) {
        const { events } = await store.claim(request(worker, { limit: 10 }))
        // Whoever is swept at this moment must not have kept anything, nor lose what he reports without being told.
        const answers = await store.report(complete(events))
        answers.forEach(({ status }, index) => {
          if (status === 'ok') done.push(events[index]!.lease.key)
        })
        if (events.length === 0) ({ worker } = await store.join({ name: 'late' }))
      }
    }
    let sweeping = true
    const sweep = async (): Promise<void> => {
      while (sweeping) {
        await client.query(`update "${schema}".workers set lease_until = 0 where random() < 0.5`)
        await store.sweep()
      }
    }
    const sweeper = sweep()
    await Promise.all(Array.from({ length: 6 }, work))
    sweeping = false
    await sweeper
    expect(new Set(done).size).toBe(600)
    expect(done).toHaveLength(600)
    expect(await wrongLanes(opened)).toEqual([])
    const { rows } = await client.query(`select count(*)::int as left from "${schema}".events`)
    expect(rows).toEqual([{ left: 0 }])
  })

  it('R-DUR-3 a worker that was found dead is given nothing by an append that was under way', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 20 })
    const { store, client, schema } = opened
    for (let round = 0; round < 30; round++) {
      const { worker } = await store.join({ name: 'dying' })
      await client.query(`update "${schema}".workers set lease_until = 0`)
      await Promise.all([
        store.append(
          [newEvent({ keep: { start: ['handler'] } }), newEvent({ keep: { start: undefined }, lane: 'x' })],
          worker,
        ),
        store.sweep(),
      ])
    }
    await client.query(`update "${schema}".workers set lease_until = 0`)
    await store.sweep()
    const { rows } = await client.query(`select state, count(*)::int from "${schema}".events group by state`)
    expect(rows).toEqual([{ state: 'ready', count: 60 }])
    expect(await wrongLanes(opened)).toEqual([])
  })
})

describe('all at once', () => {
  it(
    'R-LANE-3 keeps the counts of lanes right through every verb, without a deadlock that is seen',
    { timeout: 120_000 },
    async () => {
      await using opened = await openStore(connectionString, { maxConnections: 24, leaseMs: 60_000 })
      const { store, client, schema } = opened
      const pool = new pg.Pool({ connectionString, max: 1 })
      onTestFinished(() => pool.end())
      const db = createDatabase(new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }), schema)
      const context = { db } as StoreContext
      const lane = (): string => `lane ${Math.floor(Math.random() * 12)}`
      const ends = performance.now() + 4000
      const until = async (step: () => Promise<unknown>): Promise<void> => {
        while (performance.now() < ends) await step()
      }
      const scheduled: string[] = []
      const publish = async (worker: string): Promise<void> => {
        const answers = await store.append(
          manyEvents(1 + Math.floor(Math.random() * 20), (index) => ({
            lane: Math.random() < 0.8 ? lane() : undefined,
            serial: Math.random() < 0.1,
            due: Math.random() < 0.2 ? { delayMs: Math.random() * 30 } : undefined,
            keep: Math.random() < 0.3 ? { start: Math.random() < 0.5 ? ['handler'] : undefined } : undefined,
            onCrash: Math.random() < 0.1 ? 'fail' : 'retry',
            orderOffsetMs: Math.random() < 0.1 ? -60_000 : 0,
            idempotencyKey: Math.random() < 0.1 ? `key ${index % 5} ${Math.floor(Math.random() * 100)}` : undefined,
          })),
          worker,
        )
        for (const answer of answers) {
          if (answer.status !== 'stored') continue
          if (answer.lease) held.get(worker)?.push(answer.lease)
          else scheduled.push(answer.key)
        }
      }
      const held = new Map<string, { readonly key: string; readonly token: string }[]>()
      const work = async (): Promise<void> => {
        const { worker } = await store.join({ name: 'worker' })
        held.set(worker, [])
        const settle = async (): Promise<void> => {
          const mine = held.get(worker)!
          const { events } = await store.claim(request(worker, { limit: 25, laneLimit: 4 }))
          mine.push(...events.map(({ lease }) => lease))
          const leases = mine.splice(0, Math.floor(Math.random() * (mine.length + 1)))
          await store.report(
            leases.map((lease) => {
              const dice = Math.random()
              if (dice < 0.6) return { kind: 'complete', lease }
              if (dice < 0.7) return { kind: 'retry', lease, progress: {}, delayMs: Math.random() * 20 }
              if (dice < 0.8) return { kind: 'release', lease }
              if (dice < 0.85) return { kind: 'defer', lease, delayMs: 10 }
              if (dice < 0.9) return { kind: 'dead', lease, reason: 'failed', progress: {} }
              if (dice < 0.95) return { kind: 'undecodable', lease, error: { name: 'E', message: 'm', failedAt: 0 } }
              return { kind: 'progress', lease, progress: {} }
            }),
          )
        }
        await until(async () => {
          await publish(worker)
          await settle()
        })
        if (Math.random() < 0.5) await store.leave(worker)
      }
      const types = [{ type: 'store.tested', version: 1, handlers: undefined }]
      await Promise.all([
        ...Array.from({ length: 8 }, work),
        until(() => store.ready(types)),
        until(() => raiseMarks(context).catch(() => {})),
        until(async () => {
          const key = scheduled.splice(Math.floor(Math.random() * scheduled.length), 1)[0]
          if (key !== undefined) await store.cancel(key)
          else await new Promise((resolve) => setTimeout(resolve, 1))
        }),
        until(async () => {
          await store.sweep()
          const dead = `select worker from "${schema}".workers order by random() limit 1`
          if (Math.random() < 0.05)
            await client.query(`update "${schema}".workers set lease_until = 0 where worker = (${dead})`)
        }),
      ])
      expect(await wrongLanes(opened)).toEqual([])
      await client.query(`update "${schema}".workers set lease_until = 0`)
      await store.sweep()
      await new Promise((resolve) => setTimeout(resolve, 50))
      await store.ready(types)
      expect(await wrongLanes(opened)).toEqual([])
      // Nothing is stuck: one worker gets all there is to the end.
      const { worker } = await store.join({ name: 'last' })
      for (let claimed = 1; claimed > 0;) {
        const { events } = await store.claim(request(worker))
        await store.report(complete(events))
        claimed = events.length
      }
      const { rows } = await client.query(`
      select count(*)::int as left from "${schema}".events where state not in ('undecodable')`)
      expect(rows).toEqual([{ left: 0 }])
      expect(await wrongLanes(opened)).toEqual([])
    },
  )
})

describe('idempotency', () => {
  it('C-35 R-DUR-8 stores one event of 50 that are appended at once with one key', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 30 })
    const stores = [opened.store, await opened.another()]
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        stores[index % 2]!.append([newEvent({ id: `id ${index}`, idempotencyKey: 'order 1' })], undefined),
      ),
    )
    const stored = answers.flat().filter(({ status }) => status === 'stored')
    const ids = new Set(answers.flat().flatMap((answer) => (answer.status === 'duplicate' ? [answer.id] : [])))
    expect(stored).toHaveLength(1)
    expect(ids.size).toBe(1)
  })

  it('C-37 R-DUR-8 batches with the same keys in other orders neither deadlock nor store one twice', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 30 })
    const { store } = opened
    const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`)
    const batches = Array.from({ length: 20 }, () => keys.toSorted(() => Math.random() - 0.5))
    const answers = await Promise.all(
      batches.map((batch) =>
        store.append(
          batch.map((idempotencyKey) => newEvent({ idempotencyKey, lane: `lane ${idempotencyKey}` })),
          undefined,
        ),
      ),
    )
    expect(answers.flat().filter(({ status }) => status === 'stored')).toHaveLength(40)
    expect(await wrongLanes(opened)).toEqual([])
  })
})

describe('cancel', () => {
  it('C-19 R-SCH-5 of a cancel and a claim exactly one wins, 1,000 times', async () => {
    await using opened = await openStore(connectionString, { maxConnections: 20 })
    const { store } = opened
    const { worker } = await store.join({ name: 'claimer' })
    const appended = await store.append(
      manyEvents(1000, (index) => ({ lane: index % 2 ? `lane ${index}` : undefined })),
      undefined,
    )
    const keys = appended.flatMap((answer) => (answer.status === 'stored' ? [answer.key] : []))
    const cancelled: string[] = []
    const cancel = async (from: number): Promise<void> => {
      for (let index = from; index < keys.length; index += 8) {
        if ((await store.cancel(keys[index]!)) === 'cancelled') cancelled.push(keys[index]!)
      }
    }
    const claimed: string[] = []
    const claim = async (): Promise<void> => {
      for (;;) {
        const { events } = await store.claim(request(worker, { limit: 7 }))
        claimed.push(...events.map(({ lease }) => lease.key))
        if (claimed.length + cancelled.length >= 1000) return
      }
    }
    await Promise.all([...Array.from({ length: 8 }, (_, from) => cancel(from)), claim(), claim()])
    expect([...cancelled, ...claimed].toSorted()).toEqual(keys.toSorted())
    expect(await wrongLanes(opened)).toEqual([])
  })
})

describe('transactions', () => {
  it('R-DUR-7 an append in an open transaction locks no lane, and is claimed in its lane after the commit', async () => {
    await using opened = await openStore(connectionString)
    const { store, client } = opened
    const { worker } = await store.join({ name: 'worker' })
    await client.query('begin')
    await store.appendIn!(client, newEvent({ id: 'inside', lane: 'orders' }))
    await store.append([newEvent({ id: 'outside', lane: 'orders' })], undefined)
    const before = await store.claim(request(worker))
    await store.report(complete(before.events))
    await client.query('commit')
    const after = await store.claim(request(worker))
    expect(before.events.map(({ message }) => message.id)).toEqual(['outside'])
    expect(after.events.map(({ message, lane }) => [message.id, lane])).toEqual([['inside', 'orders']])
  })

  it('C-71 R-DUR-7 transactions that commit in another order, and one that rolls back, neither lose nor invent events', async () => {
    await using opened = await openStore(connectionString)
    const { store, schema } = opened
    const { worker } = await store.join({ name: 'worker' })
    const pgPool = (await import('pg')).default
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = new pgPool.Client({ connectionString })
        await client.connect()
        await client.query('begin')
        return client
      }),
    )
    for (const [index, client] of clients.entries())
      await store.appendIn!(client, newEvent({ id: `tx ${index}`, lane: 'l' }))
    const seen: string[] = []
    const take = async (): Promise<void> => {
      const { events } = await store.claim(request(worker))
      seen.push(...events.map(({ message }) => message.id))
      await store.report(complete(events))
    }
    for (const [index, verb] of [
      [2, 'commit'],
      [0, 'commit'],
      [3, 'rollback'],
      [1, 'commit'],
    ] as const) {
      await clients[index]!.query(verb)
      await take()
    }
    for (const client of clients) await client.end()
    expect(seen).toEqual(['tx 2', 'tx 0', 'tx 1'])
    expect((await opened.client.query(`select 1 from "${schema}".events`)).rowCount).toBe(0)
  })
})
