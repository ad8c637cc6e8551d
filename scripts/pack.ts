import { execFileSync } from 'node:child_process'
import path from 'node:path'
import type { Package } from './workspace.ts'

/** Packs a package as it would be published, with the versions of the catalog written out. Returns the tarball. */
export function pack(pkg: Package, destination: string): string {
  const output = execFileSync('pnpm', ['pack', '--json', '--pack-destination', destination], {
    cwd: pkg.folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { filename } = JSON.parse(output) as { filename: string }
  return path.resolve(destination, filename)
}
