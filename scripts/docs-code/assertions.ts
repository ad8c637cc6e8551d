import { parseSync, Visitor, type Node } from 'oxc-parser'
import type { Block } from './blocks.ts'

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

interface Statement {
  readonly node: Extract<Node, { type: 'ExpressionStatement' | 'VariableDeclaration' }>
  readonly end: number
}

const isExpression = (text: string): boolean => parseSync('value.ts', `(${text}\n)`).errors.length === 0

function statementsOf(program: ReturnType<typeof parseSync>['program']): Statement[] {
  const statements: Statement[] = []
  const collect = (node: Statement['node']): void => void statements.push({ node, end: node.end })
  new Visitor({ ExpressionStatement: collect, VariableDeclaration: collect }).visit(program)
  return statements
}

function editFor({ node }: Statement, code: string, value: string, where: string): Edit | undefined {
  if (node.type === 'ExpressionStatement') {
    const { expression } = node
    const [printed] = isConsoleLog(expression, code) ? expression.arguments : []
    const { start, end } = printed ?? expression
    return { start: node.start, end: node.end, text: `;shown((${code.slice(start, end)}), (${value}), '${where}');` }
  }
  const [declarator] = node.declarations
  if (node.declarations.length !== 1 || declarator?.id.type !== 'Identifier') return undefined
  return { start: node.end, end: node.end, text: `;shown(${declarator.id.name}, (${value}), '${where}');` }
}

function isConsoleLog(expression: Node, code: string): expression is Extract<Node, { type: 'CallExpression' }> {
  if (expression.type !== 'CallExpression' || expression.arguments.length !== 1) return false
  return code.slice(expression.callee.start, expression.callee.end) === 'console.log'
}

/** Turns each `expression // => value` and `const name = expression // => value` of a block into an assertion. */
export function withAssertions({ file, line, code, prelude }: Block, runtime: string): string {
  const { program, comments } = parseSync('block.ts', code)
  const statements = statementsOf(program)
  const edits: Edit[] = []
  const places: string[] = []
  for (const [index, comment] of comments.entries()) {
    if (comment.type !== 'Line' || !/^\s*=>/.test(comment.value)) continue
    const where = `${file}:${line + code.slice(0, comment.start).split('\n').length - 1}`
    let value = comment.value.replace(/^\s*=>/, '')
    // A long value goes on in the comments below.
    for (let next = index + 1; !isExpression(value) && next < comments.length; next += 1)
      value += `\n${comments[next]?.value}`
    if (!isExpression(value)) throw new Error(`${where}: what follows // => is not an expression`)
    const before = code.slice(0, comment.start).trimEnd().length
    const statement = statements.find(({ end }) => end === before)
    const edit = statement && editFor(statement, code, value.trim(), where)
    if (edit === undefined) throw new Error(`${where}: // => must follow an expression or a const on its line`)
    edits.push(edit)
    places.push(where)
  }
  const asserted = edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((text, { start, end, text: inserted }) => text.slice(0, start) + inserted + text.slice(end), code)
  const header = `import { expectShown, shown } from '${runtime}'; expectShown(${JSON.stringify(places)});`
  return `${header} ${prelude} ${asserted}\nexport {}\n`
}
