/**
 * The speed of core beside its limit: a bare loop that awaits the same handlers in turn. Ratios within one run, because
 * machines differ and are noisy; rounds are interleaved and the median counts. `node core.bench.ts [--events n] [--rounds n]`
 */
import { parseArgs } from 'node:util'
import { createBus, defineCommand, defineEvent } from '@buslane/core'

const { values } = parseArgs({ options: { events: { type: 'string' }, rounds: { type: 'string' } } })
const EVENTS = Number(values.events ?? 200_000)
const ROUNDS = Number(values.rounds ?? 7)

const Ticked = defineEvent<{ n: number }>('bench.ticked')
const Add = defineCommand<{ n: number }, number>('bench.add')

let count = 0
const asyncHandlers = [1, 2, 3].map((step) => async (event: { payload: { n: number } }) => {
  count += event.payload.n * step
})
const syncHandlers = [1, 2, 3].map((step) => (event: { payload: { n: number } }) => {
  count += event.payload.n * step
})

type Handlers = typeof asyncHandlers | typeof syncHandlers

const bareLoop = (handlers: Handlers) => async (): Promise<void> => {
  for (let n = 0; n < EVENTS; n++) {
    const bare = { payload: { n } }
    for (const handler of handlers) await handler(bare)
  }
}

const busWith = async (handlers: Handlers) => {
  const bus = createBus()
  for (const [index, handler] of handlers.entries()) bus.on(Ticked, handler, { priority: index * 10 })
  await bus.start()
  return bus
}

const event = (n: number, sessions: number) =>
  sessions === 0 ? Ticked({ n }) : Ticked({ n }, { sessionId: `session-${n % sessions}` })

const requireAll = (settled: number): void => {
  if (settled !== EVENTS) throw new Error(`${settled} of ${EVENTS} events were handled`)
}

/** Publishes without waiting, a thousand at a time, and waits until they are handled. */
const publishAndDrain =
  (handlers: Handlers, sessions = 0) =>
  async (): Promise<void> => {
    const bus = await busWith(handlers)
    for (let n = 0; n < EVENTS;) {
      for (const end = Math.min(EVENTS, n + 1000); n < end; n++) void bus.publish(event(n, sessions))
      await bus.idle()
    }
    requireAll(bus.stats().settled)
    await bus.stop()
  }

/** Awaits each publish, so that a full queue holds the publisher back nearly all the time. */
const publishOneByOne = (handlers: Handlers) => async (): Promise<void> => {
  const bus = await busWith(handlers)
  for (let n = 0; n < EVENTS; n++) await bus.publish(event(n, 0))
  await bus.idle()
  requireAll(bus.stats().settled)
  await bus.stop()
}

const publishAndWait = (handlers: Handlers) => async (): Promise<void> => {
  const bus = await busWith(handlers)
  for (let n = 0; n < EVENTS; n++) await bus.publishAndWait(Ticked({ n }))
  await bus.stop()
}

const execute = async (): Promise<void> => {
  const bus = createBus()
  bus.handle(Add, async ({ payload }) => payload.n + 1)
  for (let n = 0; n < EVENTS; n++) await bus.execute(Add({ n }))
  await bus.stop()
}

const runs: Record<string, () => Promise<void>> = {
  'bare loop, 3 async handlers': bareLoop(asyncHandlers),
  'publish and drain, 3 async handlers': publishAndDrain(asyncHandlers),
  'publish and drain, 3 sync handlers': publishAndDrain(syncHandlers),
  'the same, 1,000 sessions, async': publishAndDrain(asyncHandlers, 1000),
  'await each publish, 3 async handlers': publishOneByOne(asyncHandlers),
  'publishAndWait, 3 async handlers': publishAndWait(asyncHandlers),
  'execute, 1 async handler': execute,
}

const times = new Map<string, number[]>(Object.keys(runs).map((name) => [name, []]))
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(runs)) {
    globalThis.gc?.()
    const startedAt = performance.now()
    await run()
    if (round > 0) times.get(name)!.push(performance.now() - startedAt) // the first round warms up
  }
}

const median = (name: string): number => times.get(name)!.toSorted((a, b) => a - b)[ROUNDS >> 1]!
const bare = median('bare loop, 3 async handlers')
const async = median('publish and drain, 3 async handlers')
console.log(`Node ${process.version}, ${EVENTS.toLocaleString('en')} events, median of ${ROUNDS} interleaved rounds\n`)
for (const name of times.keys()) {
  const each = (median(name) / EVENTS) * 1e6
  const ratio = (bare / median(name)).toFixed(2)
  console.log(`${name.padEnd(38)} ${each.toFixed(0).padStart(6)} ns each   ${ratio.padStart(5)} x the bare loop`)
}
const sync = async / median('publish and drain, 3 sync handlers')
console.log(`\nsync against async handlers: ${sync.toFixed(2)} x`)
const goals = [
  ['async handlers at least 0.5 x the bare loop', bare / async >= 0.5],
  ['sync handlers at least 1.5 x the async ones', sync >= 1.5],
] as const
for (const [goal, met] of goals) console.log(`${met ? 'met    ' : 'NOT MET'} ${goal}`)
if (count === 0) process.exitCode = 1
