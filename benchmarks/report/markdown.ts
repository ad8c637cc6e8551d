import type { Environment } from '../harness/environment.ts'
import type { Results, SectionResults } from '../harness/results.ts'
import type { Curve, Result, Section } from '../harness/section.ts'
import { rowOf, type Row, verdict } from './format.ts'
import { plotFileOf } from './plots.ts'

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const goalOf = (row: Row): string => (row.goal === '' ? '' : `${row.goal}: ${verdict(row)}`)

const duels = (results: readonly Result[]): string => {
  const rows = results
    .filter(({ kind }) => kind === 'duel')
    .map(rowOf)
    .map((row) => [row.figure, row.spread, row.contest, row.rival, row.ours, row.theirs, goalOf(row), row.caveat])
  if (rows.length === 0) return ''
  return table(['ratio', 'spread', 'what', 'beside', 'ours', 'theirs', 'goal', 'what it does not do'], rows)
}

const figures = (results: readonly Result[]): string => {
  const rows = results
    .filter(({ kind }) => kind === 'figure' || kind === 'skipped')
    .map(rowOf)
    .map((row) => [row.figure, row.spread, row.contest, row.rival, goalOf(row), row.caveat])
  if (rows.length === 0) return ''
  return table(['figure', 'spread', 'what', 'of', 'goal', 'note'], rows)
}

const curves = (results: readonly Result[]): string => {
  const found = results.filter((result): result is Curve => result.kind === 'curve')
  if (found.length === 0) return ''
  const rows = found.map(rowOf).map((row) => [row.figure, row.contest, row.ours, row.theirs, goalOf(row), row.caveat])
  const plots = found.map((curve) => `![${curve.contest}](plots/${plotFileOf(curve)})`)
  return [table(['growth', 'what', 'at first', 'at last', 'goal', 'note'], rows), ...plots].join('\n\n')
}

/** More than this share of its cores at work before anything is measured: the figures have more noise than they show. */
const BUSY = 0.25

const whereOf = ({ date, machine, node, scale, load, cores, postgres, redis }: Environment): string => {
  const servers = [...(postgres ? [`Postgres ${postgres}`] : []), ...(redis ? [`Redis ${redis}`] : [])]
  const facts = [date, machine, `Node ${node}`, ...servers, `\`${scale}\``, `${load} cores at work before it began`]
  const warning = load > cores * BUSY ? ' **The machine was busy with something else: expect other figures.**' : ''
  return `*${facts.join(', ')}.*${warning}`
}

const sectionText = ({ title, about, name }: Section, { environment, results }: SectionResults): string =>
  [
    `## ${title}`,
    `\`pnpm bench ${name}\`. ${about}`,
    whereOf(environment),
    duels(results),
    curves(results),
    figures(results),
  ]
    .filter((part) => part !== '')
    .join('\n\n')

const goals = (sections: readonly Section[], results: Results): string => {
  const rows = sections.flatMap(({ name }) =>
    (results[name]?.results ?? []).map(rowOf).filter(({ met }) => met !== undefined),
  )
  const met = rows.filter((row) => row.met).length
  const cells = rows.map((row) => [verdict(row), row.contest, row.rival, row.goal, row.figure])
  return `## Goals\n\n${met} of ${rows.length} are met.\n\n${table(['', 'what', 'beside or of', 'goal', 'found'], cells)}`
}

const versions = (results: Results): string => {
  const all = Object.values(results).map(({ environment }) => environment.versions)
  const last = Object.assign({}, ...all) as Record<string, string>
  return `## Versions\n\n${table(['package', 'version'], Object.entries(last))}`
}

const HEAD = `# Results

Written by \`pnpm bench\` from [results.json](results.json), which has every round. [How it is measured](README.md).

A **ratio** is how many times as fast Buslane is as the other side: above 1 it is faster, below 1 it is slower. It is the median of the ratios
of the rounds, in each of which both sides took a turn; the **spread** is the lowest and the highest. Absolute figures are those of
one machine. A limit is what no bus can pass.`

/** RESULTS.md: nothing in it that is not in the results. */
export const resultsText = (sections: readonly Section[], results: Results): string => {
  const parts = sections.flatMap((section) => {
    const found = results[section.name]
    return found === undefined ? [] : [sectionText(section, found)]
  })
  return `${[HEAD, goals(sections, results), ...parts, versions(results)].join('\n\n')}\n`
}
