import type { Appended, NewEvent } from '@buslane/core'
import fc from 'fast-check'
import { expect, inject, it } from 'vitest'
import { newEvent, openStore, type OpenedStore, wrongLanes } from './support/store.ts'

// One event that needs nothing but its row has a statement of its own: it must store what the statement for many does.

const HOUR_MS = 3_600_000

const FIXED = new Set([0, 4e12, 8.64e15])

const due = fc.oneof(
  fc.constant(undefined),
  fc.record({ delayMs: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: HOUR_MS, noNaN: true })) }),
  fc.record({ at: fc.constantFrom(...FIXED) }),
)

const event = fc
  .record({
    serial: fc.boolean(),
    // No -0: JSON knows none.
    priority: fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((any) => any + 0),
    // Whole, so that they add up exactly, whatever the clock is.
    orderOffsetMs: fc.option(fc.integer({ min: -1e9, max: 1e9 }), { nil: undefined }),
    due,
    expiresInMs: fc.option(fc.double({ min: 1, max: HOUR_MS, noNaN: true }), { nil: undefined }),
    onCrash: fc.constantFrom('retry' as const, 'fail' as const),
    keep: fc.option(
      fc.record({
        start: fc.option(fc.array(fc.string().map((name) => name.replaceAll('\0', '').toWellFormed())), {
          nil: undefined,
        }),
      }),
      { nil: undefined },
    ),
    mine: fc.boolean(),
  })
  .map((changes) => newEvent(changes))

interface Row {
  readonly row: Readonly<Record<string, unknown>>
  readonly token: string | null
  readonly accepted_at: number
  readonly base_at: number
  readonly due_at: number
  readonly expires_at: number | null
  readonly order_key: number
}

/** Of a row and its answer: all but what no two appends have in common. What depends on the clock counts from acceptance. */
const facts = async ({ client, schema }: OpenedStore, answer: Appended): Promise<{ readonly row: object }> => {
  if (answer.status !== 'stored') throw new Error('not stored')
  const { rows } = await client.query<Row>(
    `select to_jsonb(e) - '{key,id,token,accepted_at,base_at,due_at,expires_at,order_key}'::text[] as row, token::text as token,
       accepted_at::float8 as accepted_at, base_at::float8 as base_at, due_at::float8 as due_at, expires_at::float8 as expires_at, order_key
     from "${schema}".events e where key = $1`,
    [answer.key],
  )
  const { row, token, accepted_at, base_at, due_at, expires_at, order_key } = rows[0]!
  const { acceptedAt, orderKey, dueAt, lease, started } = answer
  expect([acceptedAt, orderKey, dueAt, lease?.token ?? null]).toEqual([accepted_at, order_key, due_at, token])
  const fromNow = (time: number): number | string => (FIXED.has(time) ? `at ${time}` : time - accepted_at)
  return {
    row: {
      ...row,
      base: fromNow(base_at),
      due: fromNow(due_at),
      expires: expires_at === null ? null : expires_at - accepted_at,
      order: row['order_offset'] === null ? order_key : order_key - base_at,
      leased: token !== null,
      answeredAsStarted: started,
    },
  }
}

const NOBODY = '00000000-0000-4000-8000-000000000000'

it('stores one event as it stores it among others, whatever it is', async () => {
  await using opened = await openStore(inject('connectionString'))
  const { store } = opened
  const { worker } = await store.join({ name: 'worker' })
  await fc.assert(
    fc.asyncProperty(event, fc.constantFrom(worker, undefined, NOBODY), async (given, by) => {
      const [alone] = await store.append([given], by)
      const [among] = await store.append([given, newEvent()], by)
      expect(await facts(opened, alone!)).toEqual(await facts(opened, among!))
    }),
    { numRuns: 200 },
  )
})

it('R-LANE-3 lets one event enter its lane as it does among others, whoever has the lane and whatever waits there', async () => {
  await using opened = await openStore(inject('connectionString'))
  const { store } = opened
  const { worker } = await store.join({ name: 'worker' })
  const { worker: other } = await store.join({ name: 'other' })
  const by = fc.constantFrom(worker, other, undefined, NOBODY)
  const inLane = fc.tuple(event, by, fc.integer({ min: 1, max: 3 }), fc.boolean())
  let lanes = 0
  const enterAll = async (
    given: readonly (readonly [NewEvent, string | undefined, number, boolean])[],
    alone: boolean,
  ) => {
    const lane = `lane ${++lanes}`
    const found: object[] = []
    for (const [one, who, laneStart, fillsUp] of given) {
      const keep = one.keep && { ...one.keep, laneStart }
      const placed = { ...one, lane, serial: false, ...(fillsUp && { due: undefined }), keep }
      const [answer] = await store.append(alone ? [placed] : [placed, newEvent()], who)
      const { row } = await facts(opened, answer!)
      found.push({ ...row, lane: null })
    }
    const { rows } = await opened.client.query<object>(
      `select waiting, held, retrying, worker, head is null as empty from "${opened.schema}".lanes where lane = $1`,
      [lane],
    )
    return [...found, ...rows]
  }
  await fc.assert(
    fc.asyncProperty(fc.array(inLane, { minLength: 1, maxLength: 6 }), async (given) => {
      expect(await enterAll(given, true)).toEqual(await enterAll(given, false))
    }),
    { numRuns: 100 },
  )
  expect(await wrongLanes(opened)).toEqual([])
})

it('R-DUR-7 stores one event in a transaction as it stores one with a key there', async () => {
  await using opened = await openStore(inject('connectionString'))
  const { client, store } = opened
  const lane = fc.constantFrom(undefined, 'a lane')
  let keys = 0
  const within = async (given: NewEvent): Promise<object> => {
    await client.query('begin')
    const answer = await store.appendIn!(client, given)
    await client.query('commit')
    const { row } = await facts(opened, answer)
    return { ...row, idempotency_key: null, late: null }
  }
  await fc.assert(
    fc.asyncProperty(event, lane, async (given, named) => {
      const placed = { ...given, lane: named, serial: named === undefined && given.serial }
      expect(await within(placed)).toEqual(await within({ ...placed, idempotencyKey: `key ${++keys}` }))
    }),
    { numRuns: 100 },
  )
})
