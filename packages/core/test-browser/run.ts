/** Core in a real browser: bundles page.ts with the sources of core, opens it in headless Chromium, runs its tests. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { build } from 'esbuild'
import { finish } from '../../../scripts/tally.ts'
import { launchBrowser } from './browser.ts'
import { tests } from './page.ts'

const TIMEOUT_MS = 30_000

async function bundle(): Promise<string> {
  const result = await build({
    stdin: { contents: `import { tests } from './page.ts'\nglobalThis.tests = tests`, resolveDir: import.meta.dirname },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    conditions: ['@buslane/source'],
    write: false,
    logLevel: 'error',
    absWorkingDir: path.dirname(import.meta.dirname),
  })
  return result.outputFiles[0]?.text ?? ''
}

async function serve(script: string): Promise<{ address: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(
      isScript
        ? script
        : '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

async function runTests(): Promise<void> {
  const names = Object.keys(tests)
  const found = await launchBrowser()
  if ('missing' in found) {
    console.log(`skipped, ${found.missing}`)
    return finish('browser', { passed: 0, failed: 0, skipped: names.length })
  }
  await using launched = found
  await using server = await serve(await bundle())
  const page = await launched.browser.newPage()
  page.setDefaultTimeout(TIMEOUT_MS)
  const strays: string[] = []
  page.on('pageerror', (error) => strays.push(String(error)))
  await page.goto(server.address)
  await page.waitForFunction('globalThis.tests !== undefined')
  console.log(`Chromium ${launched.browser.version()} (${launched.from})`)

  let failed = 0
  for (const name of names) {
    const problem: string | undefined = await page.evaluate(`Promise.race([
      tests[${JSON.stringify(name)}]().then(() => undefined, (error) => String(error?.stack ?? error)),
      new Promise((resolve) => setTimeout(resolve, ${TIMEOUT_MS}, 'still running after ${TIMEOUT_MS} ms')),
    ])`)
    if (problem !== undefined) failed += 1
    console.log(problem === undefined ? `ok      ${name}` : `FAILED  ${name}\n${problem}`)
  }
  for (const stray of strays) console.error(`an error nobody caught in the page: ${stray}`)
  finish('browser', { passed: names.length - failed, failed: failed + strays.length, skipped: 0 })
}

await runTests()
