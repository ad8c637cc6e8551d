import type { Results } from '../harness/results.ts'
import type { Result } from '../harness/section.ts'
import { rowOf } from './format.ts'

interface Pick {
  readonly section: string
  readonly contest: string
  /** The other side, or whose figure it is. */
  readonly of: string
}

const pick = (section: string, contest: string, ...of: readonly string[]): Pick[] =>
  of.map((each) => ({ section, contest, of: each }))

/** What the front page shows: what is done most, beside the limit and beside what people would use. Losses included. */
const FRONT_PAGE: readonly Pick[] = [
  ...pick('core', 'publish and drain, 3 async handlers, 3 groups', 'a bare loop of awaits', 'emittery'),
  ...pick('core', 'publish and wait, 3 async handlers, 3 groups', 'emittery'),
  ...pick('core', 'execute, 1 async handler', '@nestjs/cqrs CommandBus'),
  ...pick('durable', 'durable publish, 20 at once', 'graphile-worker', 'pg-boss', 'BullMQ'),
  ...pick('durable', 'publish, handle and complete', 'graphile-worker', 'pg-boss'),
]

const nameOf = (result: Result): string =>
  result.kind === 'duel' ? result.rival : result.kind === 'curve' ? '' : result.of

const find = (results: Results, { section, contest, of }: Pick): Result | undefined =>
  results[section]?.results.find((result) => result.contest === contest && nameOf(result) === of)

const frontPage = (results: Results): string => {
  const rows = FRONT_PAGE.flatMap((wanted) => {
    const found = find(results, wanted)
    if (found === undefined || found.kind === 'skipped') return []
    const { figure, spread, contest, rival } = rowOf(found)
    return [`| ${figure} (${spread}) | ${contest} | ${rival} |`]
  })
  return ['| speed (lowest to highest round) | what | beside |', '| --- | --- | --- |', ...rows].join('\n')
}

/** What a plugin adds to a handler call, as its section found it. */
const added = (results: Results, section: string): string => {
  const suffix = ': added to each handler call'
  const rows = (results[section]?.results ?? []).flatMap((result) => {
    if (result.kind !== 'figure' || !result.contest.endsWith(suffix)) return []
    const { figure, spread } = rowOf(result)
    return [`| ${result.contest.slice(0, -suffix.length)} | ${figure}${spread === '' ? '' : ` (${spread})`} |`]
  })
  return ['| with | added to each handler call |', '| --- | --- |', ...rows].join('\n')
}

/** The generated parts of READMEs, by file. */
export const readmeTables = (results: Results): Readonly<Record<string, string>> => ({
  'README.md': frontPage(results),
  'packages/telemetry/README.md': added(results, 'telemetry'),
  'packages/resilience/README.md': added(results, 'resilience'),
})
