/**
 * What is made of benchmarks/results.json: RESULTS.md, the plots, and the tables of figures in READMEs.
 *
 *   node scripts/figures.ts [--write]
 *
 * Without `--write` a file that is not up to date fails, and so does a README that speaks of speed outside those tables: each such
 * claim is measured, or goes. `pnpm bench` writes them too.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { finish } from './tally.ts'
import { filesMatching, root } from './workspace.ts'

interface Report {
  readonly reportFiles: () => ReadonlyMap<string, string>
  readonly writeReport: () => void
  readonly withoutFigures: (readme: string) => string
}

// By path: the workspace's root depends on none of its packages.
const { reportFiles, writeReport, withoutFigures } = (await import(
  path.join(root, 'benchmarks/report/files.ts')
)) as Report

/** `0.4 µs`, `30k/s`, `2.5 times as fast`, `3 x faster`, `10,000 events per second`. */
const SPEED =
  /\d\s*(ns|µs|us|k\/s|\/s)\b|\b(times|x) (as fast|faster|slower)|\d[\d,.]*k? \w+ (a|per) second\b|\b(slowed down|speeds? up) (to|by)\b/

if (process.argv.includes('--write')) writeReport()

const problems: string[] = []
const files = reportFiles()
for (const [file, wanted] of files) {
  const found = existsSync(path.join(root, file)) ? readFileSync(path.join(root, file), 'utf8') : ''
  if (found !== wanted) problems.push(`${file} is not what results.json says: run this script with --write`)
}

const readmes = filesMatching('README.md', 'packages/*/README.md')
for (const file of readmes) {
  const lines = withoutFigures(readFileSync(path.join(root, file), 'utf8')).split('\n')
  for (const line of lines.filter((each) => SPEED.test(each)))
    problems.push(`${file} speaks of speed outside its table of figures: ${line.trim()}`)
}

for (const problem of problems) console.error(problem)
const checks = files.size + readmes.length
finish('figures', { passed: checks - Math.min(checks, problems.length), failed: problems.length, skipped: 0 })
