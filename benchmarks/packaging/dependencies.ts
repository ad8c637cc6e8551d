import { existsSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

const folder = path.join(import.meta.dirname, '..')

/** Where Node would find `name` from `start`; `undefined` if it is not installed. */
const locate = (name: string, start: string): string | undefined => {
  for (let at = start; ; at = path.dirname(at)) {
    const found = path.join(at, 'node_modules', name)
    if (existsSync(path.join(found, 'package.json'))) return realpathSync(found)
    if (at === path.dirname(at)) return undefined
  }
}

const readManifest = (at: string): Manifest =>
  JSON.parse(readFileSync(path.join(at, 'package.json'), 'utf8')) as Manifest

const requiredBy = ({ dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }: Manifest): string[] => [
  ...Object.keys(dependencies),
  ...Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true),
]

/**
 * How many packages come along with one: its dependencies, theirs, and the peers that it cannot do without. Optional peers
 * do not count.
 */
export const dependenciesOf = (name: string): number => {
  const seen = new Set<string>()
  const visit = (at: string): void => {
    for (const dependency of requiredBy(readManifest(at))) {
      const found = locate(dependency, at)
      if (found === undefined || seen.has(found)) continue
      seen.add(found)
      visit(found)
    }
  }
  const root = locate(name, folder)
  if (root === undefined) throw new Error(`'${name}' is not installed`)
  visit(root)
  seen.delete(root)
  return seen.size
}
