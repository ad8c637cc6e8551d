import pg from 'pg'
import { describe, expect, inject, it } from 'vitest'
import { newEvent, openStore, request, wrongLanes } from './support/store.ts'

const keep = { start: ['handler'], laneStart: 10 }

describe('what a worker had begun when it died', () => {
  it('R-LANE-1 R-DUR-3 is the first of a lane: an urgent event that was kept behind it is not started ahead, and goes after it', async () => {
    await using opened = await openStore(inject('connectionString'))
    const { store } = opened
    const [first, second] = [await store.join({ name: 'a' }), await store.join({ name: 'b' })]
    const of = (id: string, changes: object = {}) => newEvent({ id, lane: 'a', keep, ...changes })
    const appended = [
      ...(await store.append([of('begun'), of('ahead')], first.worker)),
      ...(await store.append([of('urgent', { priority: 0, orderOffsetMs: -50_000 })], first.worker)),
      ...(await store.append([of('urgent too', { priority: 0, orderOffsetMs: -50_000 }), of('last')], first.worker)),
    ]
    expect(appended.map((one) => one.status === 'stored' && one.started)).toEqual([true, true, false, false, true])
    await store.leave(first.worker)
    const { events } = await store.claim(request(second.worker, { laneLimit: 10 }))
    expect(events.map(({ message, interruptions, unreported }) => [message.id, interruptions, unreported])).toEqual([
      ['begun', 1, 1],
      ['urgent', 0, 0],
      ['urgent too', 0, 0],
      ['ahead', 0, 0],
      ['last', 0, 0],
    ])
    expect(await wrongLanes(opened)).toEqual([])
  })

  it('R-LANE-3 is nothing of a lane that waits for a retry', async () => {
    await using opened = await openStore(inject('connectionString'))
    const { store } = opened
    const [first, second] = [await store.join({ name: 'a' }), await store.join({ name: 'b' })]
    const [begun] = await store.append([newEvent({ id: 'begun', lane: 'a', keep })], first.worker)
    await store.append([newEvent({ id: 'ahead', lane: 'a', keep })], first.worker)
    if (begun?.status !== 'stored' || !begun.lease) throw new Error('not kept')
    const progress = { handler: { status: 'trying', attempts: 1 } } as const
    await store.report([{ kind: 'retry', lease: begun.lease, progress, delayMs: 0 }])
    await store.leave(first.worker)
    await store.ready(request(second.worker).types)
    const { events } = await store.claim(request(second.worker, { laneLimit: 10 }))
    expect(events.map(({ message, interruptions }) => [message.id, interruptions])).toEqual([
      ['begun', 0],
      ['ahead', 0],
    ])
  })

  it('R-DUR-2 a key is waited for after the row of the worker is locked, so whoever asks what the worker holds waits too', async () => {
    await using opened = await openStore(inject('connectionString'))
    const { client, schema, store } = opened
    const { worker } = await store.join({ name: 'a' })
    // A transaction sees what others do as it was when it first looked.
    const observer = new pg.Client({ connectionString: inject('connectionString') })
    await observer.connect()
    await client.query('begin')
    await client.query(`insert into "${schema}".idempotency (key, id) values ('k', 'other')`)
    const appending = store.append(
      [newEvent({ id: 'keyed', idempotencyKey: 'k', keep: { start: ['handler'] } })],
      worker,
    )
    const blocked = async (): Promise<number> => {
      const { rowCount } = await observer.query(
        `select 1 from pg_locks l join pg_stat_activity a using (pid)
          where not l.granted and position($1 in a.query) > 0`,
        [schema],
      )
      return rowCount ?? 0
    }
    await expect.poll(blocked).toBe(1)
    const released = store.releaseUnknown!(worker, [])
    await expect.poll(blocked).toBe(2)
    await client.query('rollback')
    await expect(appending).resolves.toMatchObject([{ status: 'stored' }])
    expect(await released).toBe(1)
    await observer.end()
  })
})
