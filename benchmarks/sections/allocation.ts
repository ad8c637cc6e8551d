import type { Result, Section, Task } from '../harness/section.ts'
import { allocationsOf, NODE_OPTIONS } from '../in-process/allocation.ts'
import type { Contender } from '../harness/rounds.ts'
import { buslane } from '../in-process/buslane.ts'
import { buslaneCommands, executing } from '../in-process/commands-contest.ts'
import { Handlers, type Shape } from '../in-process/handlers.ts'
import { type RivalName, rivals } from '../in-process/rivals/index.ts'
import { contender, type Verb } from '../in-process/side.ts'

const threeAsync: Shape = { handlers: 3, groups: 3, style: 'async' }
const threeSync: Shape = { handlers: 3, groups: 3, style: 'sync' }

interface Operation {
  readonly contest: string
  readonly of: string
  readonly prepare: () => Promise<Contender>
}

const ours = (contest: string, shape: Shape, verb: Verb): Operation => ({
  contest,
  of: 'Buslane',
  prepare: async () => {
    const handlers = new Handlers(shape)
    return contender(await buslane(handlers), handlers, verb)
  },
})

const theirs = (contest: string, name: RivalName, verb: Verb): Operation => ({
  contest,
  of: name,
  prepare: async () => {
    const handlers = new Handlers(threeAsync)
    const rival = await rivals[name]()
    return contender(await rival.prepare(handlers), handlers, verb)
  },
})

const DRAIN = 'publish and drain, 3 async handlers'
const WAIT = 'publish and wait, 3 async handlers'

const operations: readonly Operation[] = [
  ours(DRAIN, threeAsync, 'drain'),
  theirs(DRAIN, 'bare awaits', 'drain'),
  theirs(DRAIN, 'emittery', 'drain'),
  theirs(DRAIN, 'hookable', 'drain'),
  theirs(DRAIN, 'moleculer', 'drain'),
  ours('publish and drain, 3 sync handlers', threeSync, 'drain'),
  ours(WAIT, threeAsync, 'wait'),
  theirs(WAIT, 'emittery', 'wait'),
  { contest: 'execute', of: 'Buslane', prepare: async () => executing(await buslaneCommands()) },
  {
    contest: 'execute',
    of: '@nestjs/cqrs CommandBus',
    prepare: async () => executing(await (await import('../in-process/rivals/nest-cqrs.ts')).nestCommands()),
  },
]

const task = ({ contest, of, prepare }: Operation): Task => ({
  name: `${contest} / ${of}`,
  nodeOptions: NODE_OPTIONS,
  measure: async ({ rounds }): Promise<readonly Result[]> => {
    const values = await allocationsOf(await prepare(), rounds)
    return [{ kind: 'figure', contest, of, unit: 'bytes', values }]
  },
})

export const allocation: Section = {
  name: 'allocation',
  title: 'Allocation per event',
  about:
    'Bytes that one event or command allocates on the heap, from its making to the end of its last handler, what is collected at once included. The promises and closures of the handlers are in all of them.',
  rounds: { quick: 1, normal: 5, full: 15 },
  tasks: () => operations.map(task),
}
