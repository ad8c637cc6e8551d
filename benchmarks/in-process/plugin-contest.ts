import type { Plugin } from '@buslane/core'
import { type Contender, inTurn } from '../harness/rounds.ts'
import type { Result, Task } from '../harness/section.ts'
import { buslane } from './buslane.ts'
import { executing, buslaneCommands } from './commands-contest.ts'
import { Handlers, type Shape } from './handlers.ts'
import { contender } from './side.ts'

/** What a plugin adds: the same bus with it and without, in turn. */
export interface PluginContest {
  readonly name: string
  readonly shape: Shape | 'command'
  readonly caveat?: string | undefined
  /** The share of its speed that the bus must keep. */
  readonly keeps?: number | undefined
  /** What the plugin may add to one handler call, in nanoseconds. */
  readonly atMostNs?: number | undefined
  readonly plugin: () => Promise<Plugin>
}

const sideWith = async (shape: PluginContest['shape'], plugins: readonly Plugin[]): Promise<Contender> => {
  if (shape === 'command') return executing(await buslaneCommands({ plugins }))
  const handlers = new Handlers(shape)
  return contender(await buslane(handlers, { plugins }), handlers, 'drain')
}

/** The time of the processor: what a plugin adds may be less than what a busy machine adds. */
export const pluginTask = ({ name, shape, caveat, keeps, atMostNs, plugin }: PluginContest): Task => ({
  name,
  measure: async ({ scale, rounds }): Promise<readonly Result[]> => {
    const sides = [await sideWith(shape, [await plugin()]), await sideWith(shape, [])]
    const [ours = [], theirs = []] = await inTurn(sides, { scale, rounds, clock: 'processor' })
    const calls = shape === 'command' ? 1 : shape.handlers
    const added = ours.map((ns, round) => (ns - theirs[round]!) / calls)
    return [
      { kind: 'duel', contest: name, rival: 'the bus without', unit: 'ns', ours, theirs, goal: keeps, caveat },
      {
        kind: 'figure',
        contest: `${name}: added to each handler call`,
        of: 'Buslane',
        unit: 'ns',
        values: added,
        goal: atMostNs,
        caveat,
      },
    ]
  },
})
