/**
 * The arrows of the architecture: a package depends on core and on the third-party packages listed here, on nothing
 * else; core depends on nothing and, outside its Node entry point, loads nothing a browser does not have.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseSync } from 'oxc-parser'
import { finish } from './tally.ts'
import { entryPointsOf, filesMatching, packagesUnder, root, type Package } from './workspace.ts'

const core = '@buslane/core'

const thirdParty: Readonly<Record<string, readonly string[]>> = {
  '@buslane/persistence-postgres': ['kysely', 'pg', '@electric-sql/pglite'],
  '@buslane/telemetry': ['@opentelemetry/api'],
}

/** Entry points of core that may load `node:` modules. */
const nodeEntryPoints: readonly string[] = ['./node']

function importsOf(file: string): string[] {
  const source = readFileSync(file, 'utf8')
  const { module } = parseSync(file, source)
  const exportedFrom = module.staticExports.flatMap((statement) =>
    statement.entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
  )
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => source.slice(start, end))
  return [
    ...new Set([
      ...module.staticImports.map((statement) => statement.moduleRequest.value),
      ...exportedFrom,
      ...dynamic.map((expression) => expression.replaceAll(/^['"`]|['"`]$/g, '')),
    ]),
  ]
}

const isRelative = (specifier: string): boolean => specifier.startsWith('.')
const packageNameOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

function* problemsOfDependencies({ manifest }: Package): Generator<string> {
  const allowed = manifest.name === core ? [] : [core, ...(thirdParty[manifest.name] ?? [])]
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies'] as const) {
    for (const name of Object.keys(manifest[kind] ?? {})) {
      if (!allowed.includes(name)) yield `${kind} has ${name}, which is not on its list in scripts/check-arrows.ts`
      if (name === core && kind !== 'peerDependencies') yield `${core} must be a peer dependency, not in ${kind}`
    }
  }
}

function* problemsOfImports({ path: packagePath, folder, manifest }: Package): Generator<string> {
  const allowed = [manifest.name, core, ...(thirdParty[manifest.name] ?? [])]
  for (const file of filesMatching(`${packagePath}/src/**/*.ts`)) {
    for (const specifier of importsOf(path.join(root, file))) {
      if (isRelative(specifier)) {
        const target = path.resolve(root, path.dirname(file), specifier)
        if (!target.startsWith(path.join(folder, 'src') + path.sep))
          yield `${file} reaches outside its src: ${specifier}`
      } else if (!specifier.startsWith('node:') && !allowed.includes(packageNameOf(specifier))) {
        yield `${file} imports ${specifier}`
      }
    }
  }
}

/** Follows the imports of every portable entry point of core; what only the Node entry point reaches is not visited. */
function* problemsOfPortability(pkg: Package): Generator<string> {
  const queue = entryPointsOf(pkg)
    .filter(({ subpath }) => !nodeEntryPoints.includes(subpath))
    .map(({ file }) => file)
  const seen = new Set(queue)
  for (const file of queue) {
    for (const specifier of importsOf(file)) {
      const target = path.resolve(path.dirname(file), specifier)
      if (!isRelative(specifier))
        yield `${path.relative(root, file)} loads ${specifier}: core's portable files load no package and no node: module`
      else if (!seen.has(target) && existsSync(target)) {
        seen.add(target)
        queue.push(target)
      }
    }
  }
}

const packages = packagesUnder('packages')
let failed = 0
for (const pkg of packages) {
  const problems = [
    ...problemsOfDependencies(pkg),
    ...problemsOfImports(pkg),
    ...(pkg.manifest.name === core ? problemsOfPortability(pkg) : []),
  ]
  if (problems.length > 0) failed += 1
  for (const problem of problems) console.error(`${pkg.manifest.name}: ${problem}`)
}
finish('arrows', { passed: packages.length - failed, failed, skipped: 0 })
