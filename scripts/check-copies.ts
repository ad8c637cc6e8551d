/**
 * Copies every example into a temporary folder, installs it against the packed packages, as a person who copies it
 * would, and runs its type check and its `check` there. Run it after `pnpm build`.
 *
 *   node scripts/check-copies.ts [example...]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { copyExample, packAll } from './copied-example.ts'
import { finish, SKIPPED } from './tally.ts'
import { packagesUnder, publicPackages } from './workspace.ts'

/** Most of the time a check waits for something. */
const AT_ONCE = 2

const steps: readonly (readonly string[])[] = [
  // Install scripts are the examples' own choice of dependencies: Postgres, Chromium, esbuild.
  ['install', '--prefer-offline', '--no-frozen-lockfile', '--config.dangerously-allow-all-builds=true'],
  ['run', 'typecheck'],
  ['run', 'check'],
]

interface Outcome {
  readonly status: number
  readonly output: string
}

async function pnpm(words: readonly string[], cwd: string): Promise<Outcome> {
  const output: string[] = []
  const child = spawn('pnpm', words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status: status ?? 1, output: output.join('') }
}

/** Goes through the steps up to the first that fails. */
async function checkCopy(folder: string): Promise<'passed' | 'failed' | 'skipped'> {
  const startedAt = performance.now()
  const name = path.basename(folder)
  for (const words of steps) {
    const { status, output } = await pnpm(words, folder)
    if (status === 0) continue
    console.log(`\n${output}`)
    console.log(
      status === SKIPPED ? `skipped ${name}` : `FAILED  ${name}: pnpm ${words.join(' ')} ended with ${status}`,
    )
    return status === SKIPPED ? 'skipped' : 'failed'
  }
  console.log(`ok      ${name}, ${Math.round((performance.now() - startedAt) / 1000)} s`)
  return 'passed'
}

const wanted = process.argv.slice(2)
const examples = packagesUnder('examples').filter(
  (pkg) => wanted.length === 0 || wanted.includes(path.basename(pkg.path)),
)
const temporary = mkdtempSync(path.join(tmpdir(), 'buslane-copies-'))
// An embedded Postgres runs as another user where this one is root, from the binaries in here.
chmodSync(temporary, 0o755)
const count = { passed: 0, failed: 0, skipped: 0 }
try {
  const packages = path.join(temporary, 'packages')
  mkdirSync(packages)
  const tarballs = packAll(publicPackages(), packages)
  const waiting = examples.values()
  const worker = async (): Promise<void> => {
    for (const example of waiting) {
      const folder = path.join(temporary, path.basename(example.path))
      copyExample(example, folder, tarballs)
      count[await checkCopy(folder)] += 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
finish('copies of examples', count)
