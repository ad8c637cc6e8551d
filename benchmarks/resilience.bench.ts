/**
 * What `resilience()` costs a handler call that goes well, with retry, circuit breaker and timeout on. Two buses do the same work in turn in
 * one process, one with the plugin and one without, so that the difference does not depend on the machine's mood; medians of the
 * rounds.
 *
 *   node resilience.bench.ts [--events n] [--rounds n] [--limit ns]
 */
import { parseArgs } from 'node:util'
import { type Bus, createBus, defineCommand, defineEvent, type Plugin } from '@buslane/core'
import { resilience } from '@buslane/resilience'

const { values } = parseArgs({
  options: { events: { type: 'string' }, rounds: { type: 'string' }, limit: { type: 'string' } },
})
const EVENTS = Number(values.events ?? 100_000)
const ROUNDS = Number(values.rounds ?? 9)
/** What one handler call may cost more, in nanoseconds. */
const LIMIT_NS = Number(values.limit ?? 1000)
const HANDLERS = 3

const Ticked = defineEvent<{ n: number }>('bench.ticked')
const Add = defineCommand<{ n: number }, number>('bench.add')

let count = 0
const asyncHandlers = [1, 2, 3].map((step) => async (event: { payload: { n: number } }) => {
  count += event.payload.n * step
})
const syncHandlers = [1, 2, 3].map((step) => (event: { payload: { n: number } }) => {
  count += event.payload.n * step
})

const publishAndDrain = async (bus: Bus): Promise<void> => {
  for (let n = 0; n < EVENTS;) {
    for (const end = Math.min(EVENTS, n + 1000); n < end; n++) void bus.publish(Ticked({ n }))
    await bus.idle()
  }
}

const execute = async (bus: Bus): Promise<void> => {
  for (let n = 0; n < EVENTS; n++) await bus.execute(Add({ n }))
}

interface Scenario {
  readonly name: string
  readonly handlers: typeof asyncHandlers | typeof syncHandlers
  readonly run: (bus: Bus) => Promise<void>
  readonly callsPerEvent: number
}

const scenarios: readonly Scenario[] = [
  { name: 'events, 3 async handlers', handlers: asyncHandlers, run: publishAndDrain, callsPerEvent: HANDLERS },
  { name: 'events, 3 sync handlers', handlers: syncHandlers, run: publishAndDrain, callsPerEvent: HANDLERS },
  { name: 'commands, 1 async handler', handlers: asyncHandlers, run: execute, callsPerEvent: 1 },
]

const busWith = async (plugins: readonly Plugin[], handlers: Scenario['handlers']): Promise<Bus> => {
  const bus = createBus({ plugins })
  for (const [index, handler] of handlers.entries())
    bus.on(Ticked, handler, { priority: index * 10, name: `h${index}` })
  bus.handle(Add, async ({ payload }) => payload.n + 1)
  await bus.start()
  return bus
}

const guard = (): Plugin => resilience({ retry: { maxRetries: 3 }, circuitBreaker: true, timeoutMs: 30_000 })

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1]!

const nsPerCall = async ({ run, callsPerEvent }: Scenario, bus: Bus): Promise<number> => {
  const startedAt = performance.now()
  await run(bus)
  return ((performance.now() - startedAt) / EVENTS / callsPerEvent) * 1e6
}

let isOver = false
for (const scenario of scenarios) {
  const [bare, guarded] = [await busWith([], scenario.handlers), await busWith([guard()], scenario.handlers)]
  const [bareNs, guardedNs, more]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < ROUNDS + 2; round++) {
    const [a, b] = [await nsPerCall(scenario, bare), await nsPerCall(scenario, guarded)]
    if (round < 2) continue // the engine is still compiling
    bareNs.push(a)
    guardedNs.push(b)
    more.push(b - a)
  }
  const extra = median(more)
  isOver ||= extra > LIMIT_NS
  console.log(
    `${scenario.name.padEnd(28)} ${median(bareNs).toFixed(0).padStart(5)} ns without, ${median(guardedNs)
      .toFixed(0)
      .padStart(5)} ns with, ${extra.toFixed(0).padStart(5)} ns more per call (limit ${LIMIT_NS})`,
  )
  await bare.stop()
  await guarded.stop()
}
if (count < 0) console.log(count)
process.exitCode = isOver ? 1 : 0
