/**
 * The speed of core beside its limit: a bare loop that awaits the same three handlers in turn. Every scenario runs in a
 * process of its own, interleaved with the bare loop there, because what a process did before changes what the engine
 * makes of the code; ratios within one process, because machines differ and are noisy; medians of the rounds.
 *
 *   node core.bench.ts [--events n] [--rounds n]
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createBus, defineCommand, defineEvent } from '@buslane/core'

const { values } = parseArgs({
  options: { events: { type: 'string' }, rounds: { type: 'string' }, scenario: { type: 'string' } },
})
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

/** One bus for all rounds, as an application has one. */
const busWith = async (handlers: Handlers) => {
  const bus = createBus()
  for (const [index, handler] of handlers.entries()) bus.on(Ticked, handler, { priority: index * 10 })
  await bus.start()
  return bus
}

const event = (n: number, sessions: number) =>
  sessions === 0 ? Ticked({ n }) : Ticked({ n }, { sessionId: `session-${n % sessions}` })

const counted = async (bus: Awaited<ReturnType<typeof busWith>>, work: () => Promise<void>): Promise<void> => {
  const before = bus.stats().settled
  await work()
  const settled = bus.stats().settled - before
  if (settled !== EVENTS) throw new Error(`${settled} of ${EVENTS} events were handled`)
}

/** Publishes without waiting, a thousand at a time, and waits until they are handled. */
const publishAndDrain = async (handlers: Handlers, sessions = 0): Promise<() => Promise<void>> => {
  const bus = await busWith(handlers)
  return () =>
    counted(bus, async () => {
      for (let n = 0; n < EVENTS;) {
        for (const end = Math.min(EVENTS, n + 1000); n < end; n++) void bus.publish(event(n, sessions))
        await bus.idle()
      }
    })
}

/** Awaits each publish, so that a full queue holds the publisher back nearly all the time. */
const publishOneByOne = async (handlers: Handlers): Promise<() => Promise<void>> => {
  const bus = await busWith(handlers)
  return () =>
    counted(bus, async () => {
      for (let n = 0; n < EVENTS; n++) await bus.publish(event(n, 0))
      await bus.idle()
    })
}

const publishAndWait = async (handlers: Handlers): Promise<() => Promise<void>> => {
  const bus = await busWith(handlers)
  return () =>
    counted(bus, async () => {
      for (let n = 0; n < EVENTS; n++) await bus.publishAndWait(Ticked({ n }))
    })
}

const execute = (): (() => Promise<void>) => {
  const bus = createBus()
  bus.handle(Add, async ({ payload }) => payload.n + 1)
  return async () => {
    for (let n = 0; n < EVENTS; n++) await bus.execute(Add({ n }))
  }
}

const scenarios: Record<string, () => Promise<() => Promise<void>>> = {
  'publish and drain, 3 async handlers': () => publishAndDrain(asyncHandlers),
  'publish and drain, 3 sync handlers': () => publishAndDrain(syncHandlers),
  'the same, 1,000 sessions, async': () => publishAndDrain(asyncHandlers, 1000),
  'await each publish, 3 async handlers': () => publishOneByOne(asyncHandlers),
  'publishAndWait, 3 async handlers': () => publishAndWait(asyncHandlers),
  'execute, 1 async handler': async () => execute(),
}

interface Figures {
  readonly bareNs: number
  readonly ns: number
}

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1]!

const time = async (run: () => Promise<void>): Promise<number> => {
  const startedAt = performance.now()
  await run()
  return ((performance.now() - startedAt) / EVENTS) * 1e6
}

/** In a process of its own. */
const measure = async (make: () => Promise<() => Promise<void>>): Promise<Figures> => {
  const [bare, run] = [bareLoop(asyncHandlers), await make()]
  const [bares, times]: [number[], number[]] = [[], []]
  for (let round = 0; round <= ROUNDS; round++) {
    const [bareNs, ns] = [await time(bare), await time(run)]
    if (round === 0) continue // warms up
    bares.push(bareNs)
    times.push(ns)
  }
  if (count === 0) throw new Error('no handler ran')
  return { bareNs: median(bares), ns: median(times) }
}

const inOwnProcess = (scenario: string): Figures => {
  const words = [...process.execArgv, fileURLToPath(import.meta.url), '--scenario', scenario]
  const sizes = ['--events', String(EVENTS), '--rounds', String(ROUNDS)]
  const { stdout, stderr, status } = spawnSync(process.execPath, [...words, ...sizes], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`'${scenario}' failed: ${stderr}`)
  return JSON.parse(stdout) as Figures
}

const report = (): void => {
  console.log(
    `Node ${process.version}, ${EVENTS.toLocaleString('en')} events, median of ${ROUNDS} interleaved rounds\n`,
  )
  const figures = new Map<string, Figures>()
  for (const name of Object.keys(scenarios)) {
    const found = inOwnProcess(name)
    const { bareNs, ns } = found
    figures.set(name, found)
    const [each, bare] = [ns.toFixed(0).padStart(6), bareNs.toFixed(0)]
    console.log(`${name.padEnd(38)} ${each} ns each   ${(bareNs / ns).toFixed(2)} x the bare loop (${bare} ns)`)
  }
  const async = figures.get('publish and drain, 3 async handlers')!
  const sync = async.ns / figures.get('publish and drain, 3 sync handlers')!.ns
  const ratio = async.bareNs / async.ns
  console.log(`\nsync against async handlers: ${sync.toFixed(2)} x`)
  console.log(`${ratio >= 0.5 ? 'met    ' : 'NOT MET'} async handlers at least 0.5 x the bare loop`)
  console.log(`${sync >= 1.5 ? 'met    ' : 'NOT MET'} sync handlers at least 1.5 x the async ones`)
}

const { scenario } = values
if (scenario === undefined) report()
else process.stdout.write(JSON.stringify(await measure(scenarios[scenario]!)))
