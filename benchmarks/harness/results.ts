import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Environment } from './environment.ts'
import type { Result } from './section.ts'

/** What a section found, with where it was found: sections can be measured again one by one. */
export interface SectionResults {
  readonly environment: Environment
  readonly results: readonly Result[]
}

/** By the section's name. The committed file is what RESULTS.md, the plots and the READMEs are made of. */
export type Results = Readonly<Record<string, SectionResults>>

const FILE = 'results.json'

export const readResults = (folder: string): Results => {
  const file = path.join(folder, FILE)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : {}
}

/** Four significant digits: the others are noise, and make every diff a large one. */
const rounded = (value: number): number => Number(value.toPrecision(4))

/** One result per line, so that a diff shows which changed. */
export const writeResults = (folder: string, results: Results): void => {
  const line = (value: unknown): string =>
    JSON.stringify(value, (_key, item: unknown) => (typeof item === 'number' ? rounded(item) : item))
  const sections = Object.entries(results).map(
    ([name, { environment, results: found }]) =>
      `${JSON.stringify(name)}:{"environment":${line(environment)},"results":[\n${found.map(line).join(',\n')}\n]}`,
  )
  writeFileSync(path.join(folder, FILE), `{\n${sections.join(',\n')}\n}\n`)
}
