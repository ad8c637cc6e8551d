/** Every relative link of a Markdown file leads to a file, and to a heading of it where it names one. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { finish } from './tally.ts'
import { filesMatching, root } from './workspace.ts'

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^ *(```+|~~~+)[\s\S]*?^ *\1/gm, '').replaceAll(/(`+)[^\n]*?\1/g, '')
}

/** The ids GitHub gives headings, and explicit ones. */
function anchorsOf(file: string): Set<string> {
  const markdown = readFileSync(file, 'utf8').replaceAll(/^ *(```+|~~~+)[\s\S]*?^ *\1/gm, '')
  const anchors = new Set<string>()
  for (const [, heading = ''] of markdown.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-')
    let anchor = slug
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`
    anchors.add(anchor)
  }
  for (const [, id = ''] of markdown.matchAll(/<\w+ [^>]*(?:id|name)="([^"]+)"/g)) anchors.add(id)
  return anchors
}

function linksOf(markdown: string): string[] {
  const text = withoutCode(markdown)
  const inline = text.matchAll(/\]\(<?([^\s)>]+)>?(?: +"[^"]*")?\)/g)
  const references = text.matchAll(/^ *\[[^\]]+\]: +<?([^\s>]+)/gm)
  return [...inline, ...references].map(([, target = '']) => target)
}

function problemOf(file: string, link: string): string | undefined {
  const [target = '', anchor] = link.split('#')
  const absolute = target === '' ? path.join(root, file) : path.resolve(root, path.dirname(file), decodeURI(target))
  if (!existsSync(absolute)) return 'no such file'
  if (anchor === undefined || !statSync(absolute).isFile() || !absolute.endsWith('.md')) return undefined
  return anchorsOf(absolute).has(decodeURIComponent(anchor)) ? undefined : 'no such heading'
}

let passed = 0
let failed = 0
for (const file of filesMatching('*.md', '.changeset/*.md', '{packages,examples,benchmarks,docs,tools}/**/*.md')) {
  for (const link of linksOf(readFileSync(path.join(root, file), 'utf8'))) {
    if (/^[a-z]+:/i.test(link)) continue
    const problem = problemOf(file, link)
    if (problem === undefined) passed += 1
    else {
      failed += 1
      console.error(`${file}: ${link}: ${problem}`)
    }
  }
}
finish('links', { passed, failed, skipped: 0 })
