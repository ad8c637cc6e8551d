/**
 * `docs/guarantees.md` is true to the tests: what it names as a proof is in the file that it links, and every rule that a test names
 * has a line.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { finish } from './tally.ts'
import { filesMatching, root } from './workspace.ts'

const GUARANTEES = 'docs/guarantees.md'

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

/** Tests are named in one line or over two, with either kind of quote. */
const plain = (text: string): string => text.replaceAll(/\\(['"`])/g, '$1').replaceAll(/\s+/g, ' ')

const text = read(GUARANTEES)
const rows = text.split('\n').filter((line) => line.startsWith('|'))
const problems: string[] = []
let checked = 0

for (const row of rows) {
  for (const [, link = '', what = ''] of row.matchAll(/\]\(([^)]+)\): ([^|]+?)(?=[.;]? \[[^\]]+\]\(|\)? *\|)/g)) {
    checked += 1
    const source = plain(read(path.join('docs', link)))
    // Either ids of checks, or the name of a test.
    const ids = /^(?:[CLS]-\d|R-)/.test(what) ? (what.match(/(?:[CLS]|R-[A-Z]+)-\d+[a-z]?/g) ?? []) : [plain(what)]
    for (const id of ids) if (!source.includes(id)) problems.push(`${link} has nothing named '${id}'`)
  }
}

const told = new Set(rows.flatMap((row) => row.match(/^\| (R-[A-Z]+-\d+)/)?.[1] ?? []))
const tests = filesMatching('packages/*/test/**/*.ts', 'packages/testkit/src/conformance/**/*.ts')
for (const rule of new Set(tests.flatMap((file) => read(file).match(/\bR-[A-Z]+-\d+/g) ?? []))) {
  checked += 1
  if (!told.has(rule)) problems.push(`${GUARANTEES} has no line for ${rule}, which tests name`)
}

for (const problem of problems) console.error(problem)
finish('guarantees', { passed: checked - problems.length, failed: problems.length, skipped: 0 })
