import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pack } from './pack.ts'
import { root, type Package } from './workspace.ts'

/** What a script of an example says only because it is in the workspace. */
const workspaceWords: readonly RegExp[] = [
  / --conditions=@buslane\/source/g,
  / --root \.\.\/\.\. --project unit examples\/[\w-]+\//g,
]

type Names = Readonly<Record<string, string>>

interface PackedManifest {
  readonly name: string
  readonly scripts: Names
  readonly dependencies?: Names
  readonly devDependencies?: Names
}

/** Packs packages of ours. Returns the tarball of each, by name. */
export function packAll(packages: readonly Package[], destination: string): ReadonlyMap<string, string> {
  return new Map(packages.map((pkg) => [pkg.manifest.name, pack(pkg, destination)]))
}

/**
 * Copies an example into `folder` so that it stands on its own: versions are written out, our packages come from the
 * tarballs, and nothing refers to the workspace any more.
 */
export function copyExample(example: Package, folder: string, tarballs: ReadonlyMap<string, string>): void {
  mkdirSync(folder, { recursive: true })
  const packed = pack(example, folder)
  execFileSync('tar', ['-xzf', packed, '-C', folder, '--strip-components=1'])
  rmSync(packed)

  rewrite<PackedManifest>(
    path.join(folder, 'package.json'),
    ({ name, scripts, dependencies, devDependencies, ...rest }) => ({
      name: name.replace('@buslane/example-', ''),
      ...rest,
      scripts: mapped(scripts, (_, script) => workspaceWords.reduce((text, word) => text.replaceAll(word, ''), script)),
      dependencies: mapped(dependencies, (dependency, version) => fromTarball(dependency) ?? version),
      devDependencies: mapped(devDependencies, (dependency, version) => fromTarball(dependency) ?? version),
    }),
  )
  const base = readJson<TsConfig>(path.join(root, 'tsconfig.base.json'))
  rewrite<TsConfig>(path.join(folder, 'tsconfig.json'), (config) => ({
    ...config,
    extends: undefined,
    compilerOptions: { ...base.compilerOptions, ...config.compilerOptions, customConditions: undefined },
  }))

  function fromTarball(dependency: string): string | undefined {
    const tarball = tarballs.get(dependency)
    return tarball && `file:${path.relative(folder, tarball)}`
  }
}

interface TsConfig {
  readonly compilerOptions: Readonly<Record<string, unknown>>
}

const readJson = <Content>(file: string): Content => JSON.parse(readFileSync(file, 'utf8')) as Content

const rewrite = <Content>(file: string, change: (content: Content) => unknown): void =>
  writeFileSync(file, `${JSON.stringify(change(readJson(file)), undefined, 2)}\n`)

const mapped = (names: Names = {}, change: (name: string, value: string) => string): Names =>
  Object.fromEntries(Object.entries(names).map(([name, value]) => [name, change(name, value)]))
