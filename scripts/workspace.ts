import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'

export const root: string = path.dirname(import.meta.dirname)

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly scripts?: Readonly<Record<string, string>>
}

export interface Package {
  /** `packages/core` */
  readonly path: string
  readonly folder: string
  readonly manifest: Manifest
}

/** One way into a package: what a user imports, and the source file behind it. */
export interface EntryPoint {
  readonly subpath: string
  readonly specifier: string
  readonly file: string
}

export function packagesUnder(...folders: readonly string[]): Package[] {
  return folders
    .flatMap((folder) => globSync(`${folder}/*/package.json`, { cwd: root }))
    .toSorted()
    .map((file) => ({
      path: path.dirname(file),
      folder: path.join(root, path.dirname(file)),
      manifest: JSON.parse(readFileSync(path.join(root, file), 'utf8')) as Manifest,
    }))
}

/** The packages that are published. */
export const publicPackages = (): Package[] =>
  packagesUnder('packages').filter(({ manifest }) => manifest.private !== true)

export function entryPointsOf({ folder, manifest }: Package): EntryPoint[] {
  return Object.entries(manifest.exports ?? {})
    .map(([subpath, conditions]) => ({
      subpath,
      specifier: path.posix.join(manifest.name, subpath),
      file: path.join(folder, conditions['@buslane/source'] ?? ''),
    }))
    .filter(({ file }) => file.endsWith('.ts') && existsSync(file))
}

/** Paths from the root, without what is installed, built or generated. */
export function filesMatching(...patterns: readonly string[]): string[] {
  const foreign = new Set(['node_modules', 'dist', '.git', '.code', '.turbo', '.results'])
  return globSync(patterns, { cwd: root, exclude: (entry) => foreign.has(path.basename(entry)) }).toSorted()
}
