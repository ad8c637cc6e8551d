import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { longRun, type Step } from './support/long-run.ts'
import { openStore } from './support/store.ts'

// Beside a transaction that was left open, a backup for one, no dead row can be removed. BUSLANE_TEST_LONG_RUN=500000 is the long run.
// Of three tenths the fastest counts: what slows down because of dead rows does so in all of them, what else the machine does need not.

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
  `handles ${EVENTS} events %s beside an old snapshot, each once, the last nearly as fast as the first`,
  { timeout: 60_000 + EVENTS * 10 },
  async ([, lanes]) => {
    await using opened = await openStore(connectionString)
    await openSnapshot()
    const rates: number[] = []
    const onStep = (step: Step): void => {
      console.log(JSON.stringify(step))
      rates.push(step.perSecond)
    }
    const keys = await longRun(opened, { events: EVENTS, lanes, onStep })
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.length).toBe(EVENTS)
    expect(Math.max(...rates.slice(-3))).toBeGreaterThan(Math.max(...rates.slice(0, 3)) / 2)
  },
)
