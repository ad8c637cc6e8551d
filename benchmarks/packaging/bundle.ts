import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import path from 'node:path'

/** What an application imports: a line of code, bundled with everything it needs. */
export interface Bundled {
  readonly minified: number
  readonly gzipped: number
}

const folder = path.join(import.meta.dirname, '..')

/** Minified and gzipped bytes of what `code` brings into a bundle; `external` are optional parts that nobody installed. */
export const bundleOf = async (code: string, external: readonly string[] = []): Promise<Bundled> => {
  const result = await build({
    stdin: { contents: code, resolveDir: folder },
    bundle: true,
    minify: true,
    treeShaking: true,
    format: 'esm',
    platform: 'node',
    target: 'es2023',
    legalComments: 'none',
    external: [...external],
    write: false,
    logLevel: 'silent',
  })
  const bytes = result.outputFiles[0]?.contents ?? new Uint8Array()
  return { minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length }
}
