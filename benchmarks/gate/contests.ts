import { createBus, defineEvent } from '@buslane/core'
import { type Contender, inTurn } from '../harness/rounds.ts'
import type { Result, Section, Task } from '../harness/section.ts'
import { buslane } from '../in-process/buslane.ts'
import { buslaneCommands, executing } from '../in-process/commands-contest.ts'
import { Handlers, type Shape } from '../in-process/handlers.ts'
import { bareAwaits } from '../in-process/rivals/bare-loop.ts'
import { contender, type Verb } from '../in-process/side.ts'

interface GateContest {
  readonly name: string
  readonly prepare: () => Promise<Contender>
}

/** Short slices and many of them: a slice that something disturbs is one ratio of many, and the median does not see it. */
const SLICE_MS = 12
const WARM_UP_MS = 200

const threeAsync: Shape = { handlers: 3, groups: 3, style: 'async' }
const threeSync: Shape = { handlers: 3, groups: 3, style: 'sync' }

const events = (
  name: string,
  verb: Verb,
  shape: Shape = threeAsync,
  options: () => Promise<Parameters<typeof buslane>[1]> = async () => ({}),
): GateContest => ({
  name,
  prepare: async () => {
    const handlers = new Handlers(shape)
    return contender(await buslane(handlers, await options()), handlers, verb)
  },
})

const Due = defineEvent<{ n: number }>('bench.due')

const schedules: GateContest = {
  name: 'schedule and fire',
  prepare: async () => {
    const bus = createBus()
    let handled = 0
    let all = Promise.withResolvers<void>()
    let expected = 0
    bus.on(Due, () => {
      if (++handled === expected) all.resolve()
    })
    await bus.start()
    return {
      run: async (count) => {
        expected += count
        all = Promise.withResolvers()
        const at = new Date()
        for (let n = 0; n < count; n++) void bus.schedule(Due({ n }), { at })
        await all.promise
      },
    }
  },
}

const contests: readonly GateContest[] = [
  events('publish and drain, async', 'drain'),
  events('publish and drain, sync', 'drain', threeSync),
  events('publish and wait', 'wait'),
  { name: 'execute', prepare: async () => executing(await buslaneCommands()) },
  events('1,000 sessions', 'drain', threeAsync, async () => ({ sessions: 1000 })),
  events('3 middleware', 'drain', threeAsync, async () => ({ middleware: 3 })),
  schedules,
  events('durable, in memory', 'drain', threeAsync, async () => ({
    persistence: (await import('@buslane/persistence-memory')).memoryPersistence(),
  })),
  events('resilience', 'drain', threeAsync, async () => {
    const { resilience } = await import('@buslane/resilience')
    return { plugins: [resilience({ retry: { maxRetries: 3 }, circuitBreaker: true, timeoutMs: 30_000 })] }
  }),
  events('telemetry without an SDK', 'drain', threeAsync, async () => ({
    plugins: [(await import('@buslane/telemetry')).telemetry({})],
  })),
]

/** The other side of every contest: it changes with the engine and the machine, and not with our code. */
const reference = async (): Promise<Contender> => {
  const handlers = new Handlers(threeAsync)
  return contender(await bareAwaits.prepare(handlers), handlers, 'drain')
}

const task = ({ name, prepare }: GateContest): Task => ({
  name,
  measure: async ({ scale, rounds }): Promise<readonly Result[]> => {
    const [ours = [], theirs = []] = await inTurn([await prepare(), await reference()], {
      scale,
      rounds,
      clock: 'processor',
      sliceMs: SLICE_MS,
      warmUpMs: WARM_UP_MS,
    })
    return [{ kind: 'duel', contest: name, rival: bareAwaits.name, unit: 'ns', ours, theirs }]
  },
})

/** What the gate measures: no section of the report. */
export const gate: Section = {
  name: 'gate',
  title: 'Regression gate',
  about: 'Each beside a bare loop that awaits three handlers, in a process of its own; processor time.',
  rounds: { quick: 15, normal: 15, full: 15 },
  tasks: () => contests.map(task),
}
