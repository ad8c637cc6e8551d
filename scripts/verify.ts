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
import { addTallies, tallyLine, type Tally } from './tally.ts'
import { packagesUnder, root } from './workspace.ts'

interface Step {
  readonly name: string
  readonly command: readonly string[]
  /** `script`: the command writes its count with tally.ts. `vitest`: it is Vitest. `exit`: it counts as one. */
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
const browser: Step = { name: 'browser', command: ['node', 'packages/core/test-browser/run.ts'], counts: 'script' }
const examples = packagesUnder('examples')
  .filter(({ manifest }) => manifest.scripts?.['check'] !== undefined)
  .map((pkg) => command(`example-${path.basename(pkg.path)}`, 'pnpm', '--dir', pkg.path, 'run', 'check'))

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
    gate,
    ...examples,
  ],
  test: [tests, onNode(22), onNode(26), browser, docsCode, ...examples],
}

function readTally(file: string, step: Step, ok: boolean): Tally {
  const found = { passed: 0, failed: 0, skipped: 0 }
  if (step.counts === 'exit') found.passed = ok ? 1 : 0
  else {
    try {
      const report = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>
      found.passed = report['passed'] ?? report['numPassedTests'] ?? 0
      found.failed = report['failed'] ?? report['numFailedTests'] ?? 0
      found.skipped = report['skipped'] ?? (report['numPendingTests'] ?? 0) + (report['numTodoTests'] ?? 0)
    } catch (error) {
      console.error(`${step.name}: left no count`, error)
      ok = false
    }
  }
  // A file that does not load, an unhandled rejection or a crash fails a run without failing a test.
  return ok ? found : { ...found, failed: Math.max(found.failed, 1) }
}

function runStep(step: Step): Tally {
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
  const tally = readTally(countFile, step, status === 0)
  writeFileSync(resultFile, JSON.stringify(tally))
  return tally
}

function readResults(pattern: string): Tally[] {
  return globSync(pattern).map((file) => JSON.parse(readFileSync(file, 'utf8')) as Tally)
}

const [plan = '', ...names] = process.argv.slice(2)
if (plan === 'total') {
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
const results = steps.map((step) => ({ step, startedAt: performance.now(), tally: runStep(step) }))
const seconds = Math.round((performance.now() - startedAt) / 1000)
if (sharedResults === undefined) rmSync(resultsFolder, { recursive: true })

console.log()
for (const { step, tally } of results)
  console.log(`${tally.failed > 0 ? 'FAILED' : 'ok    '} ${step.name.padEnd(22)} ${tallyLine(tally)}`)
const total = addTallies(results.map(({ tally }) => tally))
console.log(`\npnpm ${plan} took ${seconds} s`)
console.log(sharedResults === undefined ? tallyLine(total) : `pnpm ${plan} - ${tallyLine(total)}`)
if (total.failed > 0) process.exitCode = 1
