import { PGlite } from '@electric-sql/pglite'
import { type Bus, createBus } from '@buslane/core'
import { pglitePersistence } from '@buslane/persistence-postgres/pglite'
import { rateOf, rateOfAll, ratesInTurn } from '../harness/rates.ts'
import type { Duel, Result, Scale, Setting } from '../harness/section.ts'
import { Ticked, workOf } from './message.ts'
import { handleInSteps } from './queues/buslane.ts'
import { rawTable } from './raw-table.ts'

const SLICE_MS: Readonly<Record<Scale, number>> = { quick: 60, normal: 700, full: 2000 }
const EVENTS: Readonly<Record<Scale, number>> = { quick: 200, normal: 5000, full: 20_000 }
const MANY = 1000

const duel = (contest: string, rival: string, found: { readonly ours: number[]; readonly theirs: number[] }): Duel => ({
  kind: 'duel',
  contest: `PGlite: ${contest}`,
  rival,
  caveat: 'the limit: no order, nobody told, nothing handled',
  unit: 'per second',
  ...found,
})

const handleAll = async (bus: Bus, count: number): Promise<number> => {
  let handled = 0
  const registrations = handleInSteps(bus, () => void handled++)
  const rate = await rateOfAll(count, async () => {
    await Promise.all(Array.from({ length: count }, (_, n) => bus.publish(Ticked(workOf(n)))))
    await bus.idle()
  })
  for (const registration of registrations) registration[Symbol.dispose]()
  if (handled !== count) throw new Error(`${handled} of ${count} events were handled`)
  return rate
}

/** Two databases in memory, in this process: one with a bus, one with a table. */
export const embedded = async ({ scale, rounds }: Setting): Promise<readonly Result[]> => {
  const ms = SLICE_MS[scale]
  const count = EVENTS[scale]
  const bus = createBus({ persistence: pglitePersistence(), lane: () => undefined })
  await bus.start()
  const database = await PGlite.create()
  const raw = await rawTable((text, values) => database.query(text, values), 'bench_raw')
  const publish = (n: number): Promise<unknown> => bus.publish(Ticked(workOf(n)))
  const publishing = (callers: number) => (): Promise<number> => rateOf({ callers, ms }, publish)
  const one = await ratesInTurn(rounds, {
    ours: publishing(1),
    theirs: () => rateOf({ callers: 1, ms }, (n) => raw.insertOne(n)),
  })
  const twenty = await ratesInTurn(rounds, {
    ours: publishing(20),
    theirs: () => rateOf({ callers: 20, ms }, (n) => raw.insertOne(n)),
  })
  const many = await ratesInTurn(rounds, {
    ours: publishing(MANY),
    theirs: () => rateOf({ callers: 1, ms, each: MANY }, (n) => raw.insertMany(n * MANY, MANY)),
  })
  await bus.stop()
  const handler = createBus({ persistence: pglitePersistence(), lane: () => undefined })
  await handler.start()
  const handled = await ratesInTurn(rounds, {
    ours: () => handleAll(handler, count),
    theirs: () => rateOf({ callers: 1, ms, each: MANY }, (n) => raw.insertMany(n * MANY, MANY)),
  })
  await handler.stop()
  await database.close()
  return [
    duel('durable publish, 1 at a time', 'a raw INSERT', one),
    duel('durable publish, 20 at once', 'raw INSERTs', twenty),
    duel('durable publish, 1,000 at once', 'a raw unnest of 1,000 rows', many),
    duel('publish, handle and complete', 'a raw unnest of 1,000 rows', handled),
  ]
}
