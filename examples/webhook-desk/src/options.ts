import { parseArgs } from 'node:util'

export interface Options {
  readonly rate: number
  readonly concurrency: number
  readonly seed: number
  readonly repeat: number
  /** Where the desk keeps its database and its journal; `undefined`: in a folder that is removed in the end. */
  readonly data: string | undefined
  /** A Postgres server, instead of the embedded database. */
  readonly databaseUrl: string | undefined
  /** Whether to kill the desk while it works. */
  readonly crash: boolean
  readonly kills: number
  readonly help: boolean
}

/** What was typed makes no sense; the message says why. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
}

export const usage = `Usage: pnpm demo [options]

Runs 329 real GitHub webhook deliveries through a message bus, and checks what
came of them.

  --rate <n>         deliveries per second; 0 is as fast as possible (default 0)
  --concurrency <n>  lanes that are handled at once, from 1 (default 100)
  --seed <n>         decides order, delays and the failing mails (default 1)
  --repeat <n>       how often to run through them, 1 to 1000 (default 1)
  --data <folder>    stores deliveries, too, and keeps everything in the folder:
                     the next run with it goes on
  --database-url <url>  stores on a Postgres server, in the schema buslane_desk,
                     which is made anew unless --data is given
  --crash            kills the desk with SIGKILL while it works, starts it again,
                     and proves that nothing was lost
  --kills <n>        how often, 1 to 100 (default 4); needs --crash
  --help             shows this

Exit codes: 0 all as expected, 1 something is off, 2 bad options, 130 stopped by
Ctrl-C.`

/** @throws {OptionError} */
export function readOptions(words: readonly string[]): Options {
  const values = parse(words)
  if (values.kills !== undefined && !values.crash) throw new OptionError('--kills needs --crash')
  if (values.data?.trim() === '') throw new OptionError('--data must name a folder')
  return {
    rate: readNumber('rate', values.rate, { fallback: 0, least: 0, whole: false }),
    concurrency: readNumber('concurrency', values.concurrency, { fallback: 100, least: 1 }),
    seed: readNumber('seed', values.seed, { fallback: 1, least: 0 }),
    repeat: readNumber('repeat', values.repeat, { fallback: 1, least: 1, most: 1000 }),
    data: values.data,
    databaseUrl: readDatabaseUrl(values['database-url']),
    crash: values.crash ?? false,
    kills: values.crash ? readNumber('kills', values.kills, { fallback: 4, least: 1, most: 100 }) : 0,
    help: values.help ?? false,
  }
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      // `pnpm demo -- --seed 2` hands the dashes on.
      args: words[0] === '--' ? words.slice(1) : [...words],
      options: {
        rate: { type: 'string' },
        concurrency: { type: 'string' },
        seed: { type: 'string' },
        repeat: { type: 'string' },
        data: { type: 'string' },
        'database-url': { type: 'string' },
        crash: { type: 'boolean' },
        kills: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (cause) {
    // Node adds advice on how to pass `--nope` as a positional argument, which this program does not take.
    const [said = ''] = (cause as Error).message.split('. To specify a positional')
    throw new OptionError(said, { cause })
  }
}

function readDatabaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || (URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol))) return text
  // Not repeated here, since it may hold a password.
  throw new OptionError('--database-url must be like postgres://user:password@host:5432/database')
}

interface Range {
  readonly fallback: number
  readonly least: number
  readonly most?: number
  readonly whole?: boolean
}

function readNumber(name: string, text: string | undefined, range: Range): number {
  const { fallback, least, most = Number.MAX_SAFE_INTEGER, whole = true } = range
  if (text === undefined) return fallback
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (number >= least && number <= most && (!whole || Number.isInteger(number))) return number
  const upTo = range.most === undefined ? '' : ` up to ${most}`
  throw new OptionError(`--${name} must be a ${whole ? 'whole ' : ''}number from ${least}${upTo}, not '${text}'`)
}
