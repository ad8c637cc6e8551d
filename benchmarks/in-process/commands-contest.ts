import { createBus, defineCommand, type Plugin } from '@buslane/core'
import { type Contender, inTurn } from '../harness/rounds.ts'
import type { Duel, Task } from '../harness/section.ts'

const Add = defineCommand<{ n: number }, number>('bench.add')

/** Executes one command, whose handler is asynchronous and adds one. */
export type Execute = (n: number) => Promise<number>

/** A side that awaits each command before the next, and checks the results. */
export const executing = (execute: Execute): Contender => ({
  run: async (count) => {
    let sum = 0
    for (let n = 0; n < count; n++) sum += await execute(n)
    if (sum !== (count * (count + 1)) / 2) throw new Error(`the results of ${count} commands add up to ${sum}`)
  },
})

interface BusOptions {
  readonly middleware?: number | undefined
  readonly plugins?: readonly Plugin[] | undefined
}

export const buslaneCommands = async ({ middleware = 0, plugins = [] }: BusOptions = {}): Promise<Execute> => {
  const bus = createBus({ plugins })
  for (let count = 0; count < middleware; count++) bus.use({ command: (_command, _context, next) => next() })
  bus.handle(Add, async ({ payload }) => payload.n + 1)
  await bus.start()
  return async (n) => {
    const result = await bus.execute(Add({ n }))
    return result.success ? result.value : Number.NaN
  }
}

const functionCalls = async (): Promise<Execute> => {
  const add = async ({ payload }: { readonly payload: { readonly n: number } }): Promise<number> => payload.n + 1
  return (n) => add({ payload: { n } })
}

interface CommandRival {
  readonly name: string
  readonly caveat: string
  readonly goal?: number
  readonly prepare: () => Promise<Execute>
}

const rivals: readonly CommandRival[] = [
  {
    name: 'a plain call of an async function',
    caveat: 'the limit: no ids, limits, or results instead of errors',
    prepare: functionCalls,
  },
  {
    name: '@nestjs/cqrs CommandBus',
    caveat: 'no ids, and no results: it rejects',
    goal: 1,
    prepare: async () => (await import('./rivals/nest-cqrs.ts')).nestCommands(),
  },
  {
    name: 'moleculer call',
    caveat: 'it rejects instead of giving a result',
    prepare: async () => (await import('./rivals/moleculer.ts')).moleculerCalls(),
  },
]

const duel = (contest: string, middleware: number, { name, caveat, goal, prepare }: CommandRival): Task => ({
  name: `${contest} / ${name}`,
  measure: async ({ scale, rounds }): Promise<readonly Duel[]> => {
    const sides = [executing(await buslaneCommands({ middleware })), executing(await prepare())]
    const [ours = [], theirs = []] = await inTurn(sides, { scale, rounds })
    return [{ kind: 'duel', contest, rival: name, caveat, unit: 'ns', ours, theirs, goal }]
  },
})

export const commandTasks: readonly Task[] = [
  ...rivals.map((rival) => duel('execute, 1 async handler', 0, rival)),
  duel('execute with 3 middleware', 3, {
    name: 'without middleware',
    caveat: 'Buslane itself',
    prepare: () => buslaneCommands(),
  }),
]
