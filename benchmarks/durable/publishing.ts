import pg from 'pg'
import { rateOf, ratesInTurn } from '../harness/rates.ts'
import type { Duel, Result, Scale, Setting } from '../harness/section.ts'
import { freshPool } from './pool.ts'
import { rawTable } from './raw-table.ts'
import { buslane } from './queues/buslane.ts'
import { BULLMQ_SKIPPED, closeAll, openAll, type OpenSide, peersOf, serversOf } from './sides.ts'

const SLICE_MS: Readonly<Record<Scale, number>> = { quick: 60, normal: 400, full: 1000 }
const RAW = 'bench_raw'

interface Side {
  readonly name: string
  readonly caveat: string
  readonly goal?: number | undefined
  readonly rate: () => Promise<number>
}

interface Contest {
  readonly name: string
  readonly ours: () => Promise<number>
  readonly others: readonly Side[]
}

const measure = async ({ name, ours, others }: Contest, rounds: number): Promise<readonly Duel[]> => {
  const sides = Object.fromEntries([['', ours], ...others.map((side) => [side.name, side.rate])]) as Record<
    string,
    () => Promise<number>
  >
  const found = await ratesInTurn(rounds, sides)
  return others.map(({ name: rival, caveat, goal }) => ({
    kind: 'duel',
    contest: name,
    rival,
    caveat,
    goal,
    unit: 'per second',
    ours: found['']!,
    theirs: found[rival]!,
  }))
}

const MANY = 1000

/** What one caller, twenty and a thousand store a second, and one that also writes rows of its own. */
export const publishing = async (setting: Setting): Promise<readonly Result[]> => {
  const { scale, rounds } = setting
  const ms = SLICE_MS[scale]
  const servers = serversOf(setting)
  const pool = await freshPool(servers.databaseUrl)
  const raw = await rawTable((text, values) => pool.query(text, values), RAW)
  await pool.query(`create table ${RAW}.orders (n bigint not null)`)
  const [us, ...peers] = await openAll([buslane, ...peersOf(servers)], servers)
  if (us === undefined) throw new Error('unreachable')

  const clearing = async (rate: number): Promise<number> => {
    await raw.clear()
    for (const { open } of [us, ...peers]) await open.clear()
    return rate
  }
  const by =
    (callers: number, operate: (n: number) => Promise<unknown>, each = 1) =>
    async (): Promise<number> =>
      clearing(await rateOf({ callers, ms, each }, operate))
  const peerSides = (callers: number, goals: Readonly<Record<string, number>> = {}): Side[] =>
    peers.map(({ queue, open }) => ({
      name: queue.name,
      caveat: queue.caveat,
      goal: goals[queue.name],
      rate: by(callers, (n) => open.publish(n)),
    }))
  const inBulk = ({ queue, open }: OpenSide): Side => ({
    name: `${queue.name}, ${MANY.toLocaleString('en')} in one call`,
    caveat: 'one caller who has them all',
    rate: by(1, (n) => open.publishMany!(n * MANY, MANY), MANY),
  })
  const limit = (name: string, rate: () => Promise<number>, goal?: number): Side => ({
    name,
    caveat: 'the limit: no order, no id to find it by, nobody told',
    goal,
    rate,
  })

  const contests: readonly Contest[] = [
    {
      name: 'durable publish, 1 at a time',
      ours: by(1, (n) => us.open.publish(n)),
      others: [
        limit(
          'a raw INSERT',
          by(1, (n) => raw.insertOne(n)),
          0.7,
        ),
        limit(
          'a round trip (select 1)',
          by(1, () => raw.roundTrip()),
        ),
        ...peerSides(1),
      ],
    },
    {
      name: 'durable publish, 20 at once',
      ours: by(20, (n) => us.open.publish(n)),
      others: [
        limit(
          'raw INSERTs',
          by(20, (n) => raw.insertOne(n)),
        ),
        ...peerSides(20, { 'graphile-worker': 20 }),
      ],
    },
    {
      name: 'durable publish, 1,000 at once',
      ours: by(MANY, (n) => us.open.publish(n)),
      others: [
        limit(
          'a raw unnest of 1,000 rows',
          by(1, (n) => raw.insertMany(n * MANY, MANY), MANY),
          0.6,
        ),
        ...peerSides(MANY),
        ...peers.map(inBulk),
      ],
    },
    await transactions(pool, us, peers, {
      raw: limit(
        'two raw INSERTs',
        by(
          20,
          inTransaction(pool, (client, n) => raw.insertIn(client, n)),
        ),
      ),
      by,
    }),
  ]
  const results: Result[] = []
  for (const contest of contests) results.push(...(await measure(contest, rounds)))
  if (servers.redisUrl === undefined) results.push({ ...BULLMQ_SKIPPED, contest: 'durable publish' })
  await closeAll([us, ...peers])
  await pool.end()
  return results
}

/** A row of the application, and an event about it, in one transaction. */
const inTransaction =
  (pool: pg.Pool, publish: (client: pg.PoolClient, n: number) => Promise<unknown>) =>
  async (n: number): Promise<void> => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query(`insert into ${RAW}.orders values ($1)`, [n])
      await publish(client, n)
      await client.query('commit')
    } finally {
      client.release()
    }
  }

interface TransactionSides {
  readonly raw: Side
  readonly by: (callers: number, operate: (n: number) => Promise<unknown>) => () => Promise<number>
}

const transactions = async (
  pool: pg.Pool,
  us: OpenSide,
  peers: readonly OpenSide[],
  { raw, by }: TransactionSides,
): Promise<Contest> => ({
  name: 'a row and an event in one transaction, 20 at once',
  ours: by(
    20,
    inTransaction(pool, (client, n) => us.open.publishIn!(client, n)),
  ),
  others: [
    raw,
    ...peers.flatMap(({ queue, open }): Side[] => {
      const { publishIn } = open
      if (publishIn === undefined) return []
      return [{ name: queue.name, caveat: queue.caveat, rate: by(20, inTransaction(pool, publishIn)) }]
    }),
  ],
})
