/**
 * The tables of conformance in the READMEs of adapters, and the list of checks in that of the testkit.
 *
 *   node --conditions=@buslane/source scripts/conformance-tables.ts [--write]
 *
 * A table says which checks an adapter skips, and why: what its harness declares absent. All others must pass: the tests that run
 * the suites compare their results with the table. Without `--write` a README that is not up to date fails, and so does a check of sections A to I that no test
 * names and no line of the testkit's README declares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { finish } from './tally.ts'
import { filesMatching, root } from './workspace.ts'

interface Check {
  readonly id: string
  readonly needs: readonly string[]
}
type Result = { readonly check: Check } & (
  | { readonly status: 'passed' }
  | { readonly status: 'skipped'; readonly reason: string }
)
type Absent = Readonly<Record<string, string>>
interface Testkit {
  readonly eventStoreChecks: readonly Check[]
  readonly deadLetterStoreChecks: readonly Check[]
  readonly approvalStoreChecks: readonly Check[]
  readonly conformanceSummary: (suites: Readonly<Record<string, readonly Result[]>>) => string
}

/** The last check of section I of the list; later ones are for transports. */
const LAST_CHECK = 83

// By path: the workspace's root depends on none of its packages.
const load = async (file: string): Promise<unknown> => (await import(path.join(root, file))) as unknown

const { eventStoreChecks, deadLetterStoreChecks, approvalStoreChecks, conformanceSummary } = (await load(
  'packages/testkit/src/conformance/index.ts',
)) as Testkit
const { memoryAbsent } = (await load('packages/testkit/test/support/memory-harness.ts')) as { memoryAbsent: Absent }
const { pgliteAbsent } = (await load('packages/persistence-postgres/test/support/pglite-conformance-harness.ts')) as {
  pgliteAbsent: Absent
}

function resultOf(check: Check, absent: Absent): Result {
  const missing = check.needs.filter((need) => absent[need] !== undefined)
  if (missing.length === 0) return { check, status: 'passed' }
  return { check, status: 'skipped', reason: missing.map((need) => `${need}: ${absent[need]}`).join('; ') }
}

const suitesOf = (absent: Absent, where = ''): Readonly<Record<string, readonly Result[]>> => ({
  [`\`event-store/1\`${where}`]: eventStoreChecks.map((check) => resultOf(check, absent)),
  [`\`dead-letter-store/1\`${where}`]: deadLetterStoreChecks.map((check) => resultOf(check, absent)),
  [`\`approval-store/1\`${where}`]: approvalStoreChecks.map((check) => resultOf(check, absent)),
})

const tables: Readonly<Record<string, string>> = {
  'packages/persistence-memory/README.md': conformanceSummary(suitesOf(memoryAbsent)),
  'packages/persistence-postgres/README.md': conformanceSummary({
    ...suitesOf({}, ' on Postgres'),
    ...suitesOf(pgliteAbsent, ' on PGlite'),
  }),
}

const begin = '<!-- conformance: written by scripts/conformance-tables.ts -->'
const end = '<!-- /conformance -->'

function withTable(readme: string, table: string): string {
  const [before, rest] = readme.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`it has no '${begin}' and '${end}'`)
  return `${before}${begin}\n\n${table}\n\n${end}${after}`
}

const problems: string[] = []
for (const [file, table] of Object.entries(tables)) {
  const readme = readFileSync(path.join(root, file), 'utf8')
  const wanted = withTable(readme, table)
  if (process.argv.includes('--write')) writeFileSync(path.join(root, file), wanted)
  else if (readme !== wanted) problems.push(`${file}: its table is not up to date: run this script with --write`)
}

/** `C-58` and `C-19a` are of checks 58 and 19. */
const idsIn = (text: string): number[] => [...text.matchAll(/\bC-(\d\d)/g)].map(([, number]) => Number(number))
const tested = new Set(
  filesMatching('packages/*/test/**/*.ts', 'packages/testkit/src/conformance/**/*.ts').flatMap((file) =>
    idsIn(readFileSync(path.join(root, file), 'utf8')),
  ),
)
const readmeOfTestkit = readFileSync(path.join(root, 'packages/testkit/README.md'), 'utf8')
const listed = new Set(readmeOfTestkit.split('\n').flatMap((line) => (line.startsWith('| C-') ? idsIn(line) : [])))
const declared = new Set(
  readmeOfTestkit
    .split('\n')
    .flatMap((line) => (line.startsWith('| C-') && line.includes('not here:') ? idsIn(line) : [])),
)
for (let id = 1; id <= LAST_CHECK; id += 1) {
  const name = `C-${String(id).padStart(2, '0')}`
  if (!listed.has(id)) problems.push(`${name} has no line in the README of the testkit`)
  if (tested.has(id) === declared.has(id))
    problems.push(`${name} must have a test, or be declared in the README of the testkit, and not both`)
}

for (const problem of problems) console.error(problem)
const checks = Object.keys(tables).length + LAST_CHECK
finish('conformance', { passed: checks - Math.min(checks, problems.length), failed: problems.length, skipped: 0 })
