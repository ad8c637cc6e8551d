/**
 * Packs every public package as it would be published and looks at the tarball: publint, Are The Types Wrong (for
 * ESM users), and that nothing but the build, the README and the licence is in it. Run it after `pnpm build`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { checkPackage, createPackageFromTarballData, type ResolutionKind } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { pack } from './pack.ts'
import { finish } from './tally.ts'
import { publicPackages } from './workspace.ts'

/** The packages are ESM only: a `require` from a CommonJS file without Node 22's require(esm) is not served. */
const esmOnly: ReadonlySet<ResolutionKind> = new Set(['node16-esm', 'bundler'])

const expectedFiles = /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.+\.(js|d\.ts))$/

async function problemsOfPublint(tarball: Buffer): Promise<string[]> {
  const contents = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) as ArrayBuffer
  const { messages, pkg } = await publint({ pack: { tarball: contents }, strict: true })
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`)
}

async function problemsOfTypes(tarball: Buffer): Promise<string[]> {
  const analysis = await checkPackage(createPackageFromTarballData(tarball))
  if (analysis.types === false) return ['types: the package has none']
  return analysis.problems
    .filter((problem) => !('resolutionKind' in problem) || esmOnly.has(problem.resolutionKind))
    .map((problem) => `types: ${JSON.stringify(problem)}`)
}

function problemsOfContents(tarball: Buffer): string[] {
  const contents = createPackageFromTarballData(tarball)
  const files = contents.listFiles().map((file) => file.replace(/^\/node_modules\/(@[^/]+\/)?[^/]+\//, ''))
  const manifest = contents.readFile(`/node_modules/${contents.packageName}/package.json`)
  return [
    ...files.filter((file) => !expectedFiles.test(file)).map((file) => `contents: ${file} does not belong in it`),
    ...['README.md', 'LICENSE'].filter((file) => !files.includes(file)).map((file) => `contents: ${file} is missing`),
    ...['@buslane/source', 'workspace:', 'catalog:']
      .filter((word) => manifest.includes(`"${word}`))
      .map((word) => `contents: package.json still has ${word}`),
  ]
}

const destination = mkdtempSync(path.join(tmpdir(), 'buslane-pack-'))
let passed = 0
let failed = 0
for (const pkg of publicPackages()) {
  const tarball = readFileSync(pack(pkg, destination))
  for (const check of [problemsOfPublint, problemsOfTypes, problemsOfContents]) {
    const problems = await check(tarball)
    if (problems.length === 0) passed += 1
    else failed += 1
    for (const problem of problems) console.error(`${pkg.manifest.name}: ${problem}`)
  }
}
rmSync(destination, { recursive: true })
finish('packages', { passed, failed, skipped: 0 })
