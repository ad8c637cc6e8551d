import { parseArgs } from 'node:util'

export interface Options {
  readonly rate: number
  readonly concurrency: number
  readonly seed: number
  readonly repeat: number
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
  --help             shows this

Exit codes: 0 all as expected, 1 something is off, 2 bad options, 130 stopped by
Ctrl-C.`

/** @throws {OptionError} */
export function readOptions(words: readonly string[]): Options {
  const values = parse(words)
  return {
    rate: readNumber('rate', values.rate, { fallback: 0, least: 0, whole: false }),
    concurrency: readNumber('concurrency', values.concurrency, { fallback: 100, least: 1 }),
    seed: readNumber('seed', values.seed, { fallback: 1, least: 0 }),
    repeat: readNumber('repeat', values.repeat, { fallback: 1, least: 1, most: 1000 }),
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
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (cause) {
    // Node adds advice on how to pass `--nope` as a positional argument, which this program does not take.
    const [said = ''] = (cause as Error).message.split('. To specify a positional')
    throw new OptionError(said, { cause })
  }
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
