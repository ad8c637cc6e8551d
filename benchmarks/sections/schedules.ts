import type { Scale, Section } from '../harness/section.ts'

const COUNT: Readonly<Record<Scale, number>> = { quick: 10_000, normal: 1_000_000, full: 1_000_000 }
const IDLE_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 1000, full: 5000 }

export const schedules: Section = {
  name: 'schedules',
  title: 'Schedules in memory',
  about:
    'As many schedules as a busy process may ever hold, spread over an hour in no order; then as many that are due at one time, each of which is an event with a handler. ' +
    'Beside timers of Node, each with a closure. Bytes are counted after a garbage collection; the events themselves are made before.',
  rounds: { quick: 1, normal: 2, full: 5 },
  tasks: (scale) => [
    {
      name: 'schedules beside setTimeout',
      nodeOptions: ['--expose-gc', '--max-old-space-size=8192'],
      measure: async ({ rounds }) => {
        const { compareSchedules } = await import('../in-process/schedules.ts')
        return compareSchedules(COUNT[scale], rounds, IDLE_MS[scale])
      },
    },
  ],
}
