import type { Plugin } from '@buslane/core'
import type { Section } from '../harness/section.ts'
import { type PluginContest, pluginTask } from '../in-process/plugin-contest.ts'

const guard = async (): Promise<Plugin> => {
  const { resilience } = await import('@buslane/resilience')
  return resilience({ retry: { maxRetries: 3 }, circuitBreaker: true, timeoutMs: 30_000 })
}

/** What a handler call that goes well may cost more. */
const atMostNs = 1000

const contests: readonly PluginContest[] = [
  { name: 'events, 3 async handlers', shape: { handlers: 3, groups: 3, style: 'async' }, atMostNs, plugin: guard },
  { name: 'events, 3 sync handlers', shape: { handlers: 3, groups: 3, style: 'sync' }, atMostNs, plugin: guard },
  { name: 'commands, 1 async handler', shape: 'command', atMostNs, plugin: guard },
]

export const resilience: Section = {
  name: 'resilience',
  title: 'What resilience adds',
  about:
    'The bus with `resilience()`, retry, circuit breaker and timeout all on, beside the same bus without, in turn; processor time. ' +
    'Every call goes well: this is what is paid for a protection that was not needed.',
  rounds: { quick: 2, normal: 9, full: 31 },
  tasks: () => contests.map(pluginTask),
}
