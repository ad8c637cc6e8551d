import type { Plugin } from '@buslane/core'
import { inTurn } from '../harness/rounds.ts'
import type { Result, Section, Task } from '../harness/section.ts'
import { type PluginContest, pluginTask } from '../in-process/plugin-contest.ts'

/** Loaded in the process that needs it. */
const sdk = () => import('../in-process/opentelemetry.ts')

const shape = { handlers: 3, groups: 3, style: 'async' } as const

const contest = (name: string, plugin: () => Promise<Plugin>, more: Partial<PluginContest> = {}): PluginContest => ({
  name,
  shape,
  plugin,
  ...more,
})

const contests: readonly PluginContest[] = [
  contest('no SDK', async () => (await sdk()).withoutSdk(), { keeps: 1 / 1.1 }),
  contest('traces, 1 % sampled', async () => (await sdk()).withSdk({ traces: 0.01 })),
  contest('traces, all of them', async () => (await sdk()).withSdk({ traces: 1 })),
  contest('metrics', async () => (await sdk()).withSdk({ metrics: true })),
  contest('metrics, without those of handlers', async () => (await sdk()).withSdk({ metrics: true, handlers: false })),
  contest('traces and metrics, 1 % sampled', async () => (await sdk()).withSdk({ traces: 0.01, metrics: true })),
  contest('traces and metrics, all of them', async () => (await sdk()).withSdk({ traces: 1, metrics: true })),
]

const alone: Task = {
  name: 'the SDK alone',
  measure: async ({ scale, rounds }): Promise<readonly Result[]> => {
    const [values = []] = await inTurn([(await sdk()).sdkAlone()], { scale, rounds, clock: 'processor' })
    return [
      {
        kind: 'figure',
        contest: 'the same spans and records without a bus, per event',
        of: 'OpenTelemetry SDK',
        unit: 'ns',
        values,
        caveat: 'the limit of "traces and metrics, all of them"',
      },
    ]
  },
}

export const telemetry: Section = {
  name: 'telemetry',
  title: 'What telemetry adds',
  about:
    'The bus with `telemetry()` beside the same bus without, in turn; three async handlers in three groups, so five spans and six histogram records per event; processor time. ' +
    'With an SDK most of the time is its own, so the last line makes the same spans and records by hand.',
  rounds: { quick: 2, normal: 9, full: 31 },
  tasks: () => [...contests.map(pluginTask), alone],
}
