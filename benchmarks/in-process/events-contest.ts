import { inTurn } from '../harness/rounds.ts'
import type { Duel, Task } from '../harness/section.ts'
import { buslane } from './buslane.ts'
import { Handlers, type Shape } from './handlers.ts'
import { type RivalName, rivals } from './rivals/index.ts'
import { contender, type Rival, type Verb } from './side.ts'

/** Another bus of ours, as the other side: what sessions, middleware or asynchronous handlers cost. */
interface OwnRival {
  readonly name: string
  readonly shape?: Shape | undefined
}

/** One way of publishing, beside each rival in a process of its own. */
export interface EventsContest {
  readonly name: string
  readonly verb: Verb
  readonly shape: Shape
  readonly sessions?: number | undefined
  readonly middleware?: number | undefined
  readonly against: Readonly<Partial<Record<RivalName, { readonly goal?: number }>>>
  readonly againstOurselves?: (OwnRival & { readonly goal?: number }) | undefined
}

const ourselves = ({ name, shape }: OwnRival, otherwise: Shape): { rival: Rival; shape: Shape } => ({
  rival: { name, caveat: 'Buslane itself', prepare: (handlers) => buslane(handlers) },
  shape: shape ?? otherwise,
})

interface Pairing {
  readonly rivalName: string
  readonly goal: number | undefined
  readonly load: () => Promise<{ readonly rival: Rival; readonly shape: Shape }>
}

const pairingsOf = ({ against, againstOurselves, shape }: EventsContest): readonly Pairing[] => {
  const pairings = Object.entries(against).map(([name, { goal }]): Pairing => {
    const load = async () => ({ rival: await rivals[name as RivalName](), shape })
    return { rivalName: name, goal, load }
  })
  if (againstOurselves === undefined) return pairings
  const { name, goal } = againstOurselves
  return [...pairings, { rivalName: name, goal, load: async () => ourselves(againstOurselves, shape) }]
}

/** A task per rival: the two sides in turn. */
export const tasksOf = (contest: EventsContest): readonly Task[] =>
  pairingsOf(contest).map(({ rivalName, goal, load }) => ({
    name: `${contest.name} / ${rivalName}`,
    measure: async ({ scale, rounds }): Promise<readonly Duel[]> => {
      const { rival, shape } = await load()
      const [ours, theirs] = [new Handlers(contest.shape), new Handlers(shape)]
      const { sessions, middleware, verb } = contest
      const [us = [], them = []] = await inTurn(
        [
          contender(await buslane(ours, { sessions, middleware }), ours, verb),
          contender(await rival.prepare(theirs), theirs, verb),
        ],
        { scale, rounds },
      )
      const { name, caveat } = rival
      return [{ kind: 'duel', contest: contest.name, rival: name, caveat, unit: 'ns', ours: us, theirs: them, goal }]
    },
  }))
