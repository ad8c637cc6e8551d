import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { longRun } from './support/long-run.ts'
import { openStore } from './support/store.ts'

// Beside a transaction that was left open, a backup for one, no dead row can be removed. BUSLANE_TEST_LONG_RUN=500000 is the long run.

const EVENTS = Number(process.env['BUSLANE_TEST_LONG_RUN'] ?? 20_000)

const connectionString = inject('connectionString')

/** Nothing that dies from now on can be removed until it ends. */
const openSnapshot = async (): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin isolation level repeatable read')
  await client.query('select txid_current()')
}

it.for([
  ['without lanes', 0],
  ['in 100 lanes', 100],
] as const)(
  `handles ${EVENTS} events %s beside an old snapshot, each once, and shows the rate over time`,
  { timeout: 60_000 + EVENTS * 10 },
  async ([, lanes]) => {
    await using opened = await openStore(connectionString)
    await openSnapshot()
    const keys = await longRun(opened, { events: EVENTS, lanes, onStep: (step) => console.log(JSON.stringify(step)) })
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.length).toBe(EVENTS)
  },
)
