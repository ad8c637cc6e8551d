import type { JournalFigures } from './figures.ts'
import { type HandlerName, handlerNames, type Run } from './journal.ts'
import { percentile } from './percentile.ts'

export interface Report {
  readonly offered: number
  readonly seconds: number
  /** How many deliveries were handled in that time, if not all that were. */
  readonly handledNow?: number
  readonly runs: readonly Run[]
  readonly figures: JournalFigures
  /** What is to be told besides, by name. */
  readonly more?: Readonly<Record<string, string>>
}

const priorities: Readonly<Record<HandlerName, string>> = {
  audit: 'HIGHEST',
  triage: 'HIGH',
  label: 'NORMAL',
  remind: 'NORMAL',
  notify: 'LOW',
  count: 'LOWEST',
  incident: 'NORMAL',
  inform: 'LOW',
  'follow-up': 'NORMAL',
  page: 'command',
}

const row = (name: string, priority: string, ...cells: readonly (string | number)[]): string =>
  `  ${name.padEnd(11)}${priority.padEnd(10)}${cells.map((cell) => String(cell).padStart(9)).join('')}`

const milliseconds = (value: number | undefined): string => value?.toFixed(2) ?? '-'

/** The table of a run, 80 columns wide at most. */
export function formatReport({ offered, seconds, runs, figures, handledNow, more = {} }: Report): string {
  const handled = figures['deliveries handled']
  const lanes = new Set(runs.map(({ lane }) => lane)).size
  return [
    row('handler', 'priority', 'runs', 'failed', 'p50 ms', 'p99 ms'),
    ...handlerNames.map((name) => {
      const own = runs.filter(({ handler, endedAt }) => handler === name && endedAt !== undefined)
      const durations = own.map(({ startedAt, endedAt = 0 }) => endedAt - startedAt)
      const failed = own.filter((run) => run.failed).length
      return row(
        name,
        priorities[name],
        own.length,
        failed,
        milliseconds(percentile(durations, 0.5)),
        milliseconds(percentile(durations, 0.99)),
      )
    }),
    '',
    `  deliveries        ${handled} of ${offered}, ${lanes} lanes, ${seconds.toFixed(1)} s, ${Math.round((handledNow ?? handled) / seconds)} per second`,
    `  failures          ${figures['failures thrown']}`,
    `  alerts            ${figures['runs of incident']}`,
    `  follow-ups        ${figures['runs of follow-up']}`,
    ...Object.entries(more).map(([name, value]) => `  ${name.padEnd(18)}${value}`),
    `  order violations  ${figures['order violations']}`,
  ].join('\n')
}
