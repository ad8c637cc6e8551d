/**
 * Runs the steps of `pnpm check` and `pnpm test` and adds up what they counted.
 *
 *   node scripts/verify.ts check [step...]    everything CI does, in its order; or only the steps named
 *   node scripts/verify.ts test [step...]     every test, on every runtime
 *   node scripts/verify.ts total              the sum of all steps in the results folder
 *
 * With BUSLANE_RESULTS, a folder that outlives a command, a step that already ran for another command is not run
 * again: .ci/run uses it, since both commands contain the tests.
 */
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { addTallies, SKIPPED, tallyLine, type Tally } from './tally.ts'
import { packagesUnder, root } from './workspace.ts'

interface Step {
  readonly name: string
  readonly command: readonly string[]
  /** `script`: the command writes its count with tally.ts. `vitest`: it is Vitest. `exit`: it counts as one, 77 as skipped. */
  readonly counts: 'script' | 'vitest' | 'exit'
}

const sharedResults = process.env['BUSLANE_RESULTS']
const resultsFolder = path.resolve(root, sharedResults ?? `.results/${process.pid}`)

const script = (name: string, file: string): Step => ({
  name,
  command: ['node', `scripts/${file}.ts`],
  counts: 'script',
})
const command = (name: string, ...words: string[]): Step => ({ name, command: words, counts: 'exit' })
const vitest = (name: string, node: string, ...options: string[]): Step => ({
  name,
  command: [node, 'node_modules/vitest/vitest.mjs', 'run', ...options],
  counts: 'vitest',
})
const onNode = (version: 22 | 26): Step =>
  vitest(
    `node-${version}`,
    `tools/runtimes/node_modules/node${version}/bin/node`,
    '--project',
    'unit',
    'packages/core/',
  )

const format = command('format', 'oxfmt', '--check')
const lint = command('lint', 'oxlint')
const types = command('types', 'turbo', 'run', 'typecheck', 'typecheck:tooling')
const tests = vitest('tests', 'node')
const docsCode = script('docs-code', 'docs-code')
const build = command('build', 'turbo', 'run', 'build')
const packages = script('packages', 'check-packages')
const unused = command('unused', 'knip')
const arrows = script('arrows', 'check-arrows')
const size = script('size', 'size')
const conformance: Step = {
  name: 'conformance',
  command: ['node', '--conditions=@buslane/source', 'scripts/conformance-tables.ts'],
  counts: 'script',
}
const figures = script('figures', 'figures')
const links = script('links', 'check-links')
const gate: Step = { name: 'gate', command: ['node', 'benchmarks/gate.ts'], counts: 'script' }
const guarantees = script('guarantees', 'check-guarantees')
const browser: Step = { name: 'browser', command: ['node', 'packages/core/test-browser/run.ts'], counts: 'script' }
const examples = packagesUnder('examples')
  .filter(({ manifest }) => manifest.scripts?.['check'] !== undefined)
  .map((pkg) => command(`example-${path.basename(pkg.path)}`, 'pnpm', '--dir', pkg.path, 'run', 'check'))
const copies = script('example-copies', 'check-copies')

const plans: Readonly<Record<string, readonly Step[]>> = {
  check: [
    format,
    lint,
    types,
    tests,
    docsCode,
    build,
    packages,
    unused,
    arrows,
    size,
    conformance,
    figures,
    links,
    guarantees,
    gate,
    ...examples,
    copies,
  ],
  test: [tests, onNode(22), onNode(26), browser, docsCode, ...examples],
}

/** What a step found. `failures` are told again at the very end, where a long log is read first. */
interface Result extends Tally {
  readonly failures: readonly string[]
}

/** The part of Vitest's JSON report that is read. */
interface VitestReport {
  /** `false` also if a file could not be loaded. */
  readonly success: boolean
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[] | null
    }[]
  }[]
}

function readVitest(report: VitestReport): Result {
  const failures = report.testResults.flatMap((file) => {
    const name = path.relative(root, file.name)
    const tests = file.assertionResults.filter(({ status }) => status === 'failed')
    if (tests.length === 0 && file.status === 'failed') return [`${name}\n${file.message}`]
    return tests.map((test) => `${name} > ${test.fullName}\n${test.failureMessages?.join('\n') ?? ''}`)
  })
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: failures.map((failure) => failure.trim().split('\n').slice(0, 12).join('\n')),
  }
}

function readResult(file: string, step: Step, status: number | null): Result {
  let found: Result = { passed: 0, failed: 0, skipped: 0, failures: [] }
  if (step.counts === 'exit' && status === SKIPPED) return { ...found, skipped: 1 }
  let ok = status === 0
  if (step.counts === 'exit') found = { ...found, passed: ok ? 1 : 0 }
  else {
    try {
      const report: unknown = JSON.parse(readFileSync(file, 'utf8'))
      found = step.counts === 'vitest' ? readVitest(report as VitestReport) : { ...found, ...(report as Tally) }
      if (step.counts === 'vitest') ok &&= (report as VitestReport).success
    } catch (error) {
      console.error(`${step.name}: left no count`, error)
      ok = false
    }
  }
  // A file that does not load, an unhandled rejection or a crash fails a run without failing a test.
  return ok ? found : { ...found, failed: Math.max(found.failed, 1) }
}

function runStep(step: Step): Result {
  const resultFile = path.join(resultsFolder, `${step.name}.json`)
  const countFile = path.join(resultsFolder, `${step.name}.count`)
  if (sharedResults !== undefined) {
    const [earlier] = readResults(resultFile)
    if (earlier !== undefined) {
      console.log(`\n==> ${step.name} ran before - ${tallyLine(earlier)}`)
      return earlier
    }
  }
  console.log(`\n==> ${step.name}`)
  const [program = '', ...words] = step.command
  const reporting =
    step.counts === 'vitest' ? ['--reporter=default', '--reporter=json', `--outputFile.json=${countFile}`] : []
  const { status, error } = spawnSync(program, [...words, ...reporting], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, BUSLANE_TALLY: countFile, TURBO_TELEMETRY_DISABLED: '1' },
  })
  if (error !== undefined) console.error(error.message)
  const result = readResult(countFile, step, status)
  writeFileSync(resultFile, JSON.stringify(result))
  return result
}

function readResults(pattern: string): Result[] {
  return globSync(pattern).map((file) => JSON.parse(readFileSync(file, 'utf8')) as Result)
}

/** What failed, by step. */
function tellFailures(step: string, { failed, failures }: Result): void {
  if (failed === 0) return
  console.log(`\nFAILED in ${step}: ${failures.length === 0 ? 'see its output above' : ''}`)
  for (const failure of failures) console.log(`- ${failure.replaceAll('\n', '\n    ')}`)
}

const [plan = '', ...names] = process.argv.slice(2)
if (plan === 'total') {
  for (const file of globSync(path.join(resultsFolder, '*.json')).toSorted())
    for (const result of readResults(file)) tellFailures(path.basename(file, '.json'), result)
  console.log(tallyLine(addTallies(readResults(path.join(resultsFolder, '*.json')))))
  process.exit()
}

const steps = (plans[plan] ?? []).filter(({ name }) => names.length === 0 || names.includes(name))
if (steps.length === 0) {
  for (const [name, known] of Object.entries(plans))
    console.error(`pnpm ${name}: ${known.map((step) => step.name).join(' ')}`)
  process.exit(2)
}

mkdirSync(resultsFolder, { recursive: true })
const startedAt = performance.now()
const results = steps.map((step) => ({ step, result: runStep(step) }))
const seconds = Math.round((performance.now() - startedAt) / 1000)
if (sharedResults === undefined) rmSync(resultsFolder, { recursive: true })

console.log()
for (const { step, result } of results) tellFailures(step.name, result)
console.log()
for (const { step, result } of results)
  console.log(`${result.failed > 0 ? 'FAILED' : 'ok    '} ${step.name.padEnd(22)} ${tallyLine(result)}`)
const total = addTallies(results.map(({ result }) => result))
console.log(`\npnpm ${plan} took ${seconds} s`)
console.log(sharedResults === undefined ? tallyLine(total) : `pnpm ${plan} - ${tallyLine(total)}`)
if (total.failed > 0) process.exitCode = 1
