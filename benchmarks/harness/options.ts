import { parseArgs } from 'node:util'
import type { Scale, Section } from './section.ts'

export interface Options {
  readonly sections: readonly Section[]
  readonly scale: Scale
  /** Rounds of every section; `undefined`: each has its own number. */
  readonly rounds: number | undefined
  /** Only tasks whose name contains this. */
  readonly only: string | undefined
  readonly profiles: boolean
  /** Whether the results are kept: those of a whole section, at a size that means something. */
  readonly writes: boolean
}

/** What the caller asked for cannot be done: its message says what can. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const words = {
  full: { type: 'boolean' },
  quick: { type: 'boolean' },
  rounds: { type: 'string' },
  only: { type: 'string' },
  'cpu-prof': { type: 'boolean' },
  'no-write': { type: 'boolean' },
  list: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

export const helpText = (sections: readonly Section[]): string => `Usage: pnpm bench [section...] [options]

Measures Buslane beside limits and beside what people use today, prints tables, and writes benchmarks/RESULTS.md and
results.json. Without a section it measures all of them.

Sections:
${sections.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join('\n')}

Options:
  --full          more rounds and larger sizes: about 20 minutes instead of 6
  --quick         seconds, to see that everything runs; the figures mean nothing, and are not written
  --rounds <n>    how often each side takes its turn, 1 to 1,000
  --only <text>   only tasks whose name contains the text; not written
  --list          the names of the tasks, and nothing else
  --no-write      prints only
  --cpu-prof      a CPU profile per process, in .results/profiles; not written, because it costs time
  --help          this

Environment:
  BUSLANE_TEST_DATABASE_URL   a Postgres server instead of an embedded one; schemas that begin with bench_ are dropped
  BUSLANE_BENCH_REDIS_URL     a Redis server for BullMQ; without it 127.0.0.1:6379, if that answers
`

const roundsFrom = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const rounds = Number(text)
  if (/^\d+$/.test(text) && rounds >= 1 && rounds <= 1000) return rounds
  throw new UsageError(`--rounds must be a whole number from 1 to 1,000, not '${text}'`)
}

const sectionsNamed = (names: readonly string[], sections: readonly Section[]): readonly Section[] => {
  if (names.length === 0) return sections
  const unknown = names.filter((name) => !sections.some((section) => section.name === name))
  if (unknown.length > 0) {
    const known = sections.map(({ name }) => name).join(', ')
    throw new UsageError(`There is no section '${unknown.join("', '")}'. There are: ${known}`)
  }
  return sections.filter(({ name }) => names.includes(name))
}

const parse = (argv: readonly string[]) => {
  try {
    // pnpm hands on a `--` that was meant for it.
    return parseArgs({ args: argv.filter((word) => word !== '--'), options: words, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** @throws {UsageError} for anything that is not known, or does not go together. */
export const readOptions = (
  argv: readonly string[],
  sections: readonly Section[],
): Options | 'help' | { readonly list: readonly Section[]; readonly scale: Scale } => {
  const { values, positionals } = parse(argv)
  if (values.help) return 'help'
  if (values.full && values.quick) throw new UsageError('--full and --quick exclude each other')
  const scale = values.full ? 'full' : values.quick ? 'quick' : 'normal'
  const chosen = sectionsNamed(positionals, sections)
  if (values.list) return { list: chosen, scale }
  const partial = values.only !== undefined || values['cpu-prof'] === true
  return {
    sections: chosen,
    scale,
    rounds: roundsFrom(values.rounds),
    only: values.only,
    profiles: values['cpu-prof'] === true,
    writes: scale !== 'quick' && !partial && values['no-write'] !== true,
  }
}
