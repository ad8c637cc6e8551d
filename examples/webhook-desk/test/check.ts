// What takes too long for a unit test: a desk that is killed, and one that finds its folder again.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const main = path.join(import.meta.dirname, '../src/main.ts')

/** Runs the program, which must be content, and must say `said`. */
function demo(options: readonly string[], said: string): void {
  console.log(`\n$ pnpm demo ${options.join(' ')}`)
  const args = [...process.execArgv, main, ...options]
  const { status, stdout } = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const text = stdout.toString()
  console.log(text)
  if (status !== 0 || !text.includes(said)) {
    throw new Error(
      `pnpm demo ${options.join(' ')} ended with ${status}; it should have ended with 0 and said '${said}'`,
    )
  }
}

demo(['--crash', '--kills', '2'], 'lost              0')
const folder = mkdtempSync(path.join(tmpdir(), 'webhook-desk-check-'))
try {
  demo(['--data', folder], 'All as expected')
  demo(['--data', folder], '329 of 329 were handled in earlier runs.')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
