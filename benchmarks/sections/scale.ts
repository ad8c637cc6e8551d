import { inTurn } from '../harness/rounds.ts'
import type { Curve, Section, Task } from '../harness/section.ts'
import { type Growth, growths } from '../in-process/growth.ts'

const LARGEST_QUICK = 1000

const task = (growth: Growth): Task => ({
  name: growth.name,
  nodeOptions: ['--expose-gc'],
  measure: async ({ scale, rounds }) => {
    const { name, axis, caveat, goal } = growth
    const sizes = growth.sizes.filter((size) => scale !== 'quick' || size <= LARGEST_QUICK)
    const points: Curve['points'][number][] = []
    // One after another: the buses of the others would be in the heap of each.
    for (const size of sizes) {
      const side = await growth.prepare(size)
      globalThis.gc!()
      const [values = []] = await inTurn([side], { scale, rounds })
      points.push({ at: size, values })
    }
    const curve: Curve = { kind: 'curve', contest: `cost with ${name}`, axis, unit: 'ns', points, goal, caveat }
    return [curve]
  },
})

export const scale: Section = {
  name: 'scale',
  title: 'How costs grow',
  about:
    'Nanoseconds at sizes from 10 to 100,000, each of which is measured after the one before in the same process. The figure is the cost at the largest size divided by that at the smallest: 1 is flat.',
  rounds: { quick: 1, normal: 5, full: 15 },
  tasks: () => growths.map(task),
}
