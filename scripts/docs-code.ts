/**
 * Compiles and runs the code of the documentation: every ```ts fence of the READMEs and of docs/, every `@example`.
 * `expression // => value` is an assertion. `ts no-run` is only compiled; `ts skip: reason` is left alone, and counted.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { withAssertions } from './docs-code/assertions.ts'
import { findBlocks, type Block } from './docs-code/blocks.ts'
import { finish } from './tally.ts'
import { root } from './workspace.ts'

const TIMEOUT_MS = 30_000
const PARALLEL_RUNS = 2

const folder = path.join(root, 'docs/.code')
const placeOf = ({ file, line }: Block): string => `${file}:${line}`
const typesFileOf = (index: number): string => `block-${index}.ts`

/** Errors of the compiler by block, with the places of the documents. */
function compile(blocks: readonly Block[]): Map<number, string[]> {
  for (const [index, { prelude, code }] of blocks.entries()) {
    writeFileSync(path.join(folder, typesFileOf(index)), `${prelude} ${code}\nexport {}\n`)
  }
  writeFileSync(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.base.json',
      compilerOptions: { types: ['node'], noUnusedLocals: false, noUnusedParameters: false },
      include: ['block-*.ts'],
    }),
  )
  const { stdout, status } = spawnSync('tsc', ['-p', folder, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' })
  const errors = new Map<number, string[]>()
  for (const [, index, line, message] of stdout.matchAll(/^block-(\d+)\.ts\((\d+),\d+\): (.*)$/gm)) {
    const block = blocks[Number(index)]
    if (block === undefined) continue
    const found = errors.get(Number(index)) ?? []
    errors.set(Number(index), [...found, `${block.file}:${block.line + Number(line) - 1}: ${message}`])
  }
  if (status !== 0 && errors.size === 0) throw new Error(`tsc failed:\n${stdout}`)
  return errors
}

/** What went wrong, or nothing. */
async function run(block: Block, index: number): Promise<string[]> {
  const file = path.join(folder, `run-${index}.ts`)
  try {
    writeFileSync(file, withAssertions(block, '../../scripts/docs-code/shown.ts'))
    await promisify(execFile)(process.execPath, ['--conditions=@buslane/source', '--no-warnings', file], {
      cwd: folder,
      timeout: TIMEOUT_MS,
    })
    return []
  } catch (error) {
    const { stderr, killed, message } = error as Error & { stderr?: string; killed?: boolean }
    return [killed === true ? `${placeOf(block)}: still running after ${TIMEOUT_MS} ms` : stderr || message]
  }
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const blocks = findBlocks()
const wanted = blocks.filter(({ mode }) => mode !== 'skip')
const compileErrors = compile(wanted)
const queue = [...wanted.entries()]
let failed = 0

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [index, block] = next
    const problems = compileErrors.get(index) ?? (block.mode === 'run' ? await run(block, index) : [])
    if (problems.length === 0) continue
    failed += 1
    console.error(`${placeOf(block)}: failed\n${problems.join('\n').trimEnd().replaceAll(/^/gm, '  ')}`)
  }
}
await Promise.all(Array.from({ length: PARALLEL_RUNS }, work))

for (const block of blocks.filter(({ mode }) => mode === 'skip'))
  console.log(`${placeOf(block)}: skipped, ${block.skipReason}`)
const compiledOnly = wanted.filter(({ mode }) => mode === 'no-run').length
console.log(`${wanted.length} blocks compiled, ${wanted.length - compiledOnly} of them run`)
finish('docs code', { passed: wanted.length - failed, failed, skipped: blocks.length - wanted.length })
