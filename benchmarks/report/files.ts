import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { readResults } from '../harness/results.ts'
import type { Curve } from '../harness/section.ts'
import { sections } from '../sections/index.ts'
import { resultsText } from './markdown.ts'
import { plotFileOf, plotOf } from './plots.ts'
import { readmeTables } from './readme-tables.ts'

const benchmarks = path.join(import.meta.dirname, '..')
const root = path.join(benchmarks, '..')

const BEGIN = '<!-- figures: written by pnpm bench -->'
const END = '<!-- /figures -->'

const withTable = (file: string, readme: string, text: string): string => {
  const [before, rest] = readme.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`${file} has no '${BEGIN}' and '${END}'`)
  return `${before}${BEGIN}\n\n${text}\n\n${END}${after}`
}

/** A README without its generated parts. */
export const withoutFigures = (readme: string): string =>
  readme
    .split(BEGIN)
    .map((part, index) => (index === 0 ? part : (part.split(END)[1] ?? '')))
    .join('')

/** Everything that is made of the stored results, by its path from the root, as it should be. */
export const reportFiles = (): ReadonlyMap<string, string> => {
  const results = readResults(benchmarks)
  const curves = Object.values(results).flatMap((each) =>
    each.results.filter((one): one is Curve => one.kind === 'curve'),
  )
  const files = new Map([['benchmarks/RESULTS.md', resultsText(sections, results)]])
  for (const curve of curves) files.set(`benchmarks/plots/${plotFileOf(curve)}`, plotOf(curve))
  for (const [file, text] of Object.entries(readmeTables(results))) {
    files.set(file, withTable(file, readFileSync(path.join(root, file), 'utf8'), text))
  }
  return files
}

/** Writes them, and nothing else is in the folder of the plots. */
export const writeReport = (): void => {
  rmSync(path.join(benchmarks, 'plots'), { recursive: true, force: true })
  mkdirSync(path.join(benchmarks, 'plots'), { recursive: true })
  for (const [file, text] of reportFiles()) writeFileSync(path.join(root, file), text)
}
