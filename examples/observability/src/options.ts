import { parseArgs } from 'node:util'

export interface Options {
  /** Whether to run through some orders, check what arrived, and end. */
  readonly once: boolean
  /** Orders per second. */
  readonly rate: number
  /** Where Prometheus finds the metrics; 0 takes any free port. */
  readonly port: number
  /** An OTLP endpoint such as http://localhost:4318; `undefined`: spans go to the console. */
  readonly otlp: string | undefined
  readonly help: boolean
}

/** What was typed makes no sense; the message says why. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
}

export const usage = `Usage: pnpm start [options]

Runs a small shop with OpenTelemetry until Ctrl-C.

  --once          runs through 120 orders, checks that spans and metrics of
                  every kind arrived, and ends
  --rate <n>      orders per second (default 5; with --once as fast as it goes)
  --port <n>      where Prometheus finds the metrics (default 9464; with --once any)
  --otlp <url>    sends spans and metrics there, such as http://localhost:4318,
                  instead of writing spans to the console
  --help          shows this

Exit codes: 0 all arrived, 1 something is missing, 2 bad options.`

/** @throws {OptionError} */
export function readOptions(words: readonly string[]): Options {
  const { once = false, help = false, rate, port, otlp } = parse(words)
  if (otlp !== undefined && !URL.canParse(otlp)) throw new OptionError('--otlp must be a URL')
  return {
    once,
    help,
    otlp,
    rate: readNumber('rate', rate, { fallback: once ? 0 : 5, most: 10_000 }),
    port: readNumber('port', port, { fallback: once ? 0 : 9464, most: 65_535 }),
  }
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      // `pnpm start -- --once` hands the dashes on.
      args: words[0] === '--' ? words.slice(1) : [...words],
      options: {
        once: { type: 'boolean' },
        rate: { type: 'string' },
        port: { type: 'string' },
        otlp: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (cause) {
    throw new OptionError((cause as Error).message, { cause })
  }
}

function readNumber(name: string, text: string | undefined, range: { fallback: number; most: number }): number {
  if (text === undefined) return range.fallback
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isInteger(number) && number >= 0 && number <= range.most) return number
  throw new OptionError(`--${name} must be a whole number from 0 to ${range.most}, not '${text}'`)
}
