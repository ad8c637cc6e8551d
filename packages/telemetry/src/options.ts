import { BusError, type Message } from '@buslane/core'
import type { Attributes, MeterProvider, TracerProvider } from '@opentelemetry/api'

/** What a span is about: an event is sent and processed, each of its handlers handles it, a command is executed. */
export type SpanOperation = 'send' | 'process' | 'handle' | 'execute'

/** A span that is about to begin. */
export interface SpanFacts {
  readonly operation: SpanOperation
  readonly message: Message
  /** What it will be called. */
  readonly name: string
  /** The handler's name, for `handle`. */
  readonly handler?: string | undefined
}

/** How a span is to differ. */
export interface SpanChanges {
  readonly name?: string | undefined
  /** Added to those it has; the same keys replace them. */
  readonly attributes?: Attributes | undefined
}

/** Options of {@link telemetry}. All may be left out. */
export interface TelemetryOptions {
  /** Whether spans are made. Default `true`. */
  readonly traces?: boolean | undefined
  /** Whether metrics are recorded. Default `true`. */
  readonly metrics?: boolean | undefined
  /** Where spans go. Default: the global provider, whenever it is registered. */
  readonly tracerProvider?: TracerProvider | undefined
  /** Where metrics go. Default: the global provider, whenever it is registered. */
  readonly meterProvider?: MeterProvider | undefined
  /**
   * Whether the span of an event that stayed in memory is a `child` of the span that sent it, or begins a trace of its own
   * with a `link` to it. Durable and scheduled events always have a link. Default `child`.
   */
  readonly inMemory?: 'child' | 'link' | undefined
  /** Whether each handler has a span and a duration of its own. Default `true`. */
  readonly handlers?: boolean | undefined
  /** Names of the baggage entries that travel with messages. Default: none. */
  readonly baggage?: readonly string[] | undefined
  /**
   * Asked before every span: `false` leaves it out (what is inside of it belongs to the span around), an object renames or
   * enriches it. It must answer at once. Default: spans stay as they are.
   */
  readonly span?: ((facts: SpanFacts) => SpanChanges | false | undefined) | undefined
  /** Whether a message counts in the metrics of messages, handlers and commands. Default: all but those of the bus itself. */
  readonly measure?: ((message: Message) => boolean) | undefined
  /**
   * What of a payload is recorded with `send`, `process` and `execute` spans, as JSON of at most 2,048 characters. Leave
   * out here what nobody may read. `undefined` records nothing. Default: nothing is recorded.
   */
  readonly payload?: ((message: Message) => unknown) | undefined
  /** Whether a scrape also counts what is in the store; that is a query. Default `true`. */
  readonly storeCounts?: boolean | undefined
  /** How long a scrape waits for those counts, in milliseconds. Default 1,000. */
  readonly storeCountsTimeoutMs?: number | undefined
  /** Whether the delay of the event loop is measured, where the runtime is Node. Default `false`. */
  readonly eventLoopDelay?: boolean | undefined
  /** From how many message types on further ones are counted as `_OTHER`. Default 1,000. */
  readonly maxTypes?: number | undefined
}

/** The options, checked and complete. */
export interface Settings extends Pick<
  TelemetryOptions,
  'tracerProvider' | 'meterProvider' | 'span' | 'measure' | 'payload'
> {
  readonly traces: boolean
  readonly metrics: boolean
  readonly inMemory: 'child' | 'link'
  readonly handlers: boolean
  readonly baggage: readonly string[]
  readonly storeCounts: boolean
  readonly storeCountsTimeoutMs: number
  readonly eventLoopDelay: boolean
  readonly maxTypes: number
}

const NAMES: ReadonlySet<string> = new Set(
  Object.keys({
    traces: 0,
    metrics: 0,
    tracerProvider: 0,
    meterProvider: 0,
    inMemory: 0,
    handlers: 0,
    baggage: 0,
    span: 0,
    measure: 0,
    payload: 0,
    storeCounts: 0,
    storeCountsTimeoutMs: 0,
    eventLoopDelay: 0,
    maxTypes: 0,
  } satisfies Record<keyof TelemetryOptions, 0>),
)

/** @throws {BusError} `INVALID_ARGUMENT` with the option's name. */
export const readOptions = (options: TelemetryOptions): Settings => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw wrong('', 'an object', options)
  const unknown = Object.keys(options).find((name) => !NAMES.has(name))
  if (unknown !== undefined) throw invalid(`there is no option '${unknown}', only ${[...NAMES].join(', ')}`)
  const { tracerProvider, meterProvider, span, measure, payload } = options
  const { inMemory = 'child', baggage = [], maxTypes = 1000, storeCountsTimeoutMs = 1000 } = options
  if (inMemory !== 'child' && inMemory !== 'link') throw wrong('inMemory', `'child' or 'link'`, inMemory)
  if (!Array.isArray(baggage) || baggage.some((name) => typeof name !== 'string')) {
    throw wrong('baggage', 'a list of names', baggage)
  }
  if (!(typeof maxTypes === 'number' && maxTypes >= 1)) throw wrong('maxTypes', 'a number from 1', maxTypes)
  if (!(typeof storeCountsTimeoutMs === 'number' && storeCountsTimeoutMs > 0)) {
    throw wrong('storeCountsTimeoutMs', 'a number above 0', storeCountsTimeoutMs)
  }
  for (const [name, hook] of Object.entries({ span, measure, payload })) {
    if (hook !== undefined && typeof hook !== 'function') throw wrong(name, 'a function', hook)
  }
  for (const name of ['traces', 'metrics', 'handlers', 'storeCounts', 'eventLoopDelay'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw wrong(name, 'a boolean', value)
  }
  checkMethods('tracerProvider', tracerProvider, ['getTracer'])
  checkMethods('meterProvider', meterProvider, ['getMeter'])
  return {
    traces: options.traces ?? true,
    metrics: options.metrics ?? true,
    tracerProvider,
    meterProvider,
    inMemory,
    handlers: options.handlers ?? true,
    baggage,
    span,
    measure,
    payload,
    storeCounts: options.storeCounts ?? true,
    storeCountsTimeoutMs,
    eventLoopDelay: options.eventLoopDelay ?? false,
    maxTypes,
  }
}

const invalid = (message: string): BusError => new BusError('INVALID_ARGUMENT', `telemetry: ${message}`)

const wrong = (name: string, what: string, given: unknown): BusError =>
  invalid(`${name || 'the options'} must be ${what}, not ${textOf(given)}`)

/** What it is, and nothing of what is inside. */
const textOf = (given: unknown): string => {
  if (typeof given === 'string') return `'${given}'`
  if (typeof given === 'function') return 'a function'
  return typeof given === 'object' && given !== null ? 'an object' : String(given)
}

const checkMethods = (name: string, given: unknown, methods: readonly string[]): void => {
  if (given === undefined) return
  for (const method of methods) {
    const found: unknown = (given as Readonly<Record<string, unknown>> | null)?.[method]
    if (typeof found !== 'function') throw wrong(`${name}.${method}`, 'a function', found)
  }
}

/** @throws {BusError} `INVALID_ARGUMENT` */
export const checkLogger = (logger: unknown): void =>
  checkMethods('logger', logger ?? null, ['debug', 'info', 'warn', 'error'])
