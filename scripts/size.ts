/** What core costs in a bundle. Reads the build, so run it after `pnpm build` (`pnpm size` does). */
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { finish } from './tally.ts'
import { root } from './workspace.ts'

/** `createBus` and everything it needs, minified and gzipped: what it should be. */
const GOAL_BYTES = 9_000
/** What it may be until then: it only goes down. See docs/decisions/0005-size.md. */
const LIMIT_BYTES = 27_890

async function sizeOf(code: string): Promise<{ minified: number; gzipped: number }> {
  const result = await build({
    stdin: { contents: code, resolveDir: `${root}/docs` },
    bundle: true,
    minify: true,
    treeShaking: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    legalComments: 'none',
    write: false,
    logLevel: 'error',
  })
  const bytes = result.outputFiles[0]?.contents ?? new Uint8Array()
  return { minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length }
}

const bytes = (count: number): string => count.toLocaleString('en').padStart(7)

const createBus = await sizeOf(`export { createBus } from '@buslane/core'`)
const everything = await sizeOf(`export * from '@buslane/core'`)
const over = createBus.gzipped - GOAL_BYTES
console.log(
  `createBus   ${bytes(createBus.minified)} B minified, ${bytes(createBus.gzipped)} B with gzip ` +
    `(goal ${bytes(GOAL_BYTES).trim()}: ${over > 0 ? `NOT MET, ${over} over` : 'met'}; limit ${bytes(LIMIT_BYTES).trim()})`,
)
console.log(`everything  ${bytes(everything.minified)} B minified, ${bytes(everything.gzipped)} B with gzip`)

const fits = createBus.gzipped <= LIMIT_BYTES
if (!fits) console.error(`createBus is ${createBus.gzipped - LIMIT_BYTES} B over the limit`)
finish('size', { passed: fits ? 1 : 0, failed: fits ? 0 : 1, skipped: 0 })
