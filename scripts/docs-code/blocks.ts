import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseSync } from 'oxc-parser'
import { entryPointsOf, filesMatching, packagesUnder, root, type EntryPoint } from '../workspace.ts'

/** One piece of TypeScript in the documentation. */
export interface Block {
  readonly file: string
  /** The line of the file that `code` begins on. */
  readonly line: number
  readonly code: string
  /** Imports a docstring's example need not write out, on one line; empty for Markdown, which shows whole programs. */
  readonly prelude: string
  readonly mode: 'run' | 'no-run' | 'skip'
  readonly skipReason?: string
}

const markdownFiles = ['README.md', '{packages,examples}/*/README.md', 'docs/**/*.md'] as const

interface Fence {
  readonly info: string
  readonly lineOffset: number
  readonly code: string
}

function fencesOf(text: string): Fence[] {
  return [...text.matchAll(/^( *)```ts\b([^\n]*)\n([\s\S]*?)^ *```$/gm)].map((match) => {
    const [, indent = '', info = '', code = ''] = match
    return {
      info: info.trim(),
      lineOffset: text.slice(0, match.index).split('\n').length,
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }
  })
}

function modeOf(info: string, where: string): Pick<Block, 'mode' | 'skipReason'> {
  if (info === '') return { mode: 'run' }
  if (info === 'no-run') return { mode: 'no-run' }
  const [, skipReason] = /^skip: *(\S.*)$/.exec(info) ?? []
  if (skipReason !== undefined) return { mode: 'skip', skipReason }
  throw new Error(`${where}: a fence is \`ts\`, \`ts no-run\` or \`ts skip: <reason>\`, not \`ts ${info}\``)
}

function markdownBlocks(file: string): Block[] {
  return fencesOf(readFileSync(path.join(root, file), 'utf8')).map(({ info, lineOffset, code }) => {
    const line = lineOffset + 1
    return { file, line, code, prelude: '', ...modeOf(info, `${file}:${line}`) }
  })
}

interface ExportedName {
  readonly name: string
  readonly isType: boolean
}

function exportsOf({ file }: EntryPoint): ExportedName[] {
  const { module } = parseSync(file, readFileSync(file, 'utf8'))
  return module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ exportName: { name }, isType }) =>
      name === null || name === undefined ? [] : { name, isType },
    ),
  )
}

/** Imports what the code uses and does not declare. */
function preludeFor(code: string, entryPoints: ReadonlyMap<string, readonly ExportedName[]>): string {
  const words = new Set(code.match(/[A-Za-z_$][\w$]*/g))
  const declared = (name: string): boolean =>
    new RegExp(`\\b(?:const|let|class|function|interface|type)\\s+${name}\\b`).test(code) ||
    new RegExp(`^import\\b[^'"]*\\b${name}\\b`, 'm').test(code)
  const imports: string[] = []
  for (const [specifier, names] of entryPoints) {
    const used = names.filter(({ name }) => words.has(name) && !declared(name))
    const clause = used.map(({ name, isType }) => (isType ? `type ${name}` : name)).join(', ')
    if (used.length > 0) imports.push(`import { ${clause} } from '${specifier}';`)
  }
  return imports.join(' ')
}

function exampleBlocks(file: string, entryPoints: ReadonlyMap<string, readonly ExportedName[]>): Block[] {
  const source = readFileSync(path.join(root, file), 'utf8')
  const blocks: Block[] = []
  for (const comment of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const text = comment[0].slice(3, -2).replaceAll(/^[ \t]*\* ?/gm, '')
    for (const example of text.matchAll(/^@example\b([\s\S]*?)(?=^@\w|$(?![\s\S]))/gm)) {
      const body = example[1] ?? ''
      const firstLine =
        source.slice(0, comment.index).split('\n').length + text.slice(0, example.index).split('\n').length - 1
      const fences = fencesOf(body)
      const pieces = fences.length > 0 ? fences : [{ info: '', lineOffset: 0, code: body }]
      for (const { info, lineOffset, code } of pieces) {
        const line = firstLine + lineOffset
        blocks.push({ file, line, code, prelude: preludeFor(code, entryPoints), ...modeOf(info, `${file}:${line}`) })
      }
    }
  }
  return blocks
}

/** Every ```ts fence of the documentation and every `@example` of a package's sources. */
export function findBlocks(): Block[] {
  const examples = packagesUnder('packages').flatMap((pkg) => {
    const entryPoints = new Map(entryPointsOf(pkg).map((entryPoint) => [entryPoint.specifier, exportsOf(entryPoint)]))
    return filesMatching(`${pkg.path}/src/**/*.ts`).flatMap((file) => exampleBlocks(file, entryPoints))
  })
  return [...filesMatching(...markdownFiles).flatMap(markdownBlocks), ...examples]
}
