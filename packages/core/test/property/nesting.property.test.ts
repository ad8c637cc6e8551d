import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bus, defineCommand, defineEvent, type EventContext } from '../../src/index.ts'
import { runningBus } from '../support/quiet-bus.ts'
import { deciding } from '../support/retry.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** What a handler does: it takes its time, waits for other events, and so on. */
interface Node {
  readonly lane: string
  readonly through: 'context' | 'bus' | 'command'
  readonly beforeMs: number
  readonly afterMs: number
  readonly together: boolean
  readonly fails: boolean
  readonly thenIdle: boolean
  readonly children: readonly Node[]
}
type Placed = Node & { readonly id: string }

const Task = defineEvent<Placed>('task')
const Detour = defineCommand<Placed>('detour')

const nodeWith = (children: fc.Arbitrary<readonly Node[]>): fc.Arbitrary<Node> =>
  fc.record<Node>({
    lane: fc.constantFrom('a', 'b', 'c'),
    through: fc.constantFrom('context', 'bus', 'command'),
    beforeMs: fc.constantFrom(0, 0, 1, 5),
    afterMs: fc.constantFrom(0, 0, 1, 5),
    together: fc.boolean(),
    fails: fc.boolean(),
    thenIdle: fc.constantFrom(false, false, false, true),
    children,
  })
const upTo = (depth: number): fc.Arbitrary<Node> =>
  nodeWith(depth === 0 ? fc.constant([]) : fc.array(upTo(depth - 1), { maxLength: 2 }))
const tree = upTo(4)

const plan = fc.record({
  roots: fc.array(tree, { minLength: 1, maxLength: 5 }),
  concurrency: fc.constantFrom(1, 2, 100),
  asyncContext: fc.boolean(),
})

interface Entry {
  readonly what: 'starts' | 'group two' | 'ends'
  readonly id: string
}

const count = (nodes: readonly Node[]): number => nodes.reduce((sum, { children }) => sum + 1 + count(children), 0)

const simulate = async ({
  roots,
  concurrency,
  asyncContext,
}: {
  readonly roots: readonly Node[]
  readonly concurrency: number
  readonly asyncContext: boolean
}): Promise<{ readonly entries: readonly Entry[]; readonly bus: Bus }> => {
  const clock = new VirtualClock()
  const flakyOnce = deciding(({ handler, attempts }) =>
    handler === 'flaky' && attempts === 1 ? { action: 'retry', delayMs: 1 } : { action: 'fail' },
  )
  const bus = await runningBus({
    clock,
    concurrency,
    asyncContext,
    plugins: [flakyOnce],
    lane: ({ payload }) => (payload as Placed).lane,
  })
  const entries: Entry[] = []
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(resolve, ms))
  const waitFor = (node: Placed, context: EventContext): Promise<unknown> =>
    ({
      context: () => context.publishAndWait(Task(node)),
      // Without the async context, only what goes through the handler's own context is known to be nested.
      bus: () => (asyncContext ? bus : context).publishAndWait(Task(node)),
      command: () => (asyncContext ? bus : context).execute(Detour(node)),
    })[node.through]()

  bus.handle(Detour, async ({ payload }, context) => {
    await sleep(payload.beforeMs)
    await context.publishAndWait(Task(payload))
  })
  const flaky = (): unknown => {
    throw new Error('planned')
  }
  bus.on(Task, ({ payload }, { attempt }) => (payload.fails && attempt === 1 ? flaky() : 'done'), {
    name: 'flaky',
    priority: 0,
  })
  bus.on(
    Task,
    async ({ payload: { id, beforeMs, afterMs, children, together, fails, thenIdle } }, context) => {
      entries.push({ what: 'starts', id })
      await sleep(beforeMs)
      const placed = children.map((child, index) => ({ ...child, id: `${id}.${index}` }))
      const inTurn = async (): Promise<void> => {
        for (const child of placed) await waitFor(child, context)
      }
      await (together ? Promise.all(placed.map((child) => waitFor(child, context))) : inTurn())
      await (thenIdle && asyncContext ? bus.idle() : sleep(afterMs))
      entries.push({ what: 'ends', id })
      return fails ? Promise.reject(new Error('planned')) : 'done'
    },
    { priority: 1 },
  )
  bus.on(Task, ({ payload: { id } }) => void entries.push({ what: 'group two', id }), { priority: 2 })
  for (const [index, root] of roots.entries()) void bus.publish(Task({ ...root, id: String(index) }))
  for (let step = 0; step < 50; step++) await clock.advance(20)
  return { entries, bus }
}

/** Roots are published: those of one lane must not overlap. Nested ones must lie within the handler that waits. */
const breaches = (entries: readonly Entry[], roots: readonly Node[]): readonly string[] => {
  const at = (what: Entry['what'], id: string): number =>
    entries.findIndex((entry) => entry.what === what && entry.id === id)
  const ids = entries.filter(({ what }) => what === 'starts').map(({ id }) => id)
  const nested = ids.filter((id) => id.includes('.'))
  const outside = nested.filter((id) => {
    const parent = id.slice(0, id.lastIndexOf('.'))
    return at('starts', id) < at('starts', parent) || at('group two', id) > at('ends', parent)
  })
  const disordered = ids.filter((id) => at('group two', id) < at('ends', id) || at('ends', id) < at('starts', id))
  const lanes = Object.values(Object.groupBy([...roots.keys()], (root) => roots[root]!.lane)) as (readonly number[])[]
  const overlapping = lanes.flatMap((lane) => {
    const starts = entries
      .filter(({ what, id }) => what === 'starts' && lane.map(String).includes(id))
      .map(({ id }) => id)
    return starts.filter((id, index) => index > 0 && at('starts', id) < at('group two', starts[index - 1]!))
  })
  return [
    ...outside.map((id) => `${id} does not lie within the handler that waits for it`),
    ...disordered.map((id) => `the groups of ${id} are not strict`),
    ...overlapping.map((id) => `${id} overlaps with another event of its lane`),
  ]
}

describe('nested waits under random load', () => {
  it(
    'R-PUB-3 never deadlocks, keeps nested events inside their handlers and lanes in order',
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(plan, async (one) => {
          const { entries, bus } = await simulate(one)

          expect(bus.stats()).toMatchObject({ running: 0, waiting: 0, commands: { running: 0 } })
          expect(entries).toHaveLength(3 * count(one.roots))
          expect(breaches(entries, one.roots)).toEqual([])
          await bus.stop()
        }),
        { numRuns: 150 },
      )
    },
  )
})
