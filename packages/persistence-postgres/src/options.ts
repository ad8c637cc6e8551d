import { consoleLogger, type Logger, type PayloadCodec, type StoreSettings } from '@buslane/core'
import { checkMethods, checkNames, invalid, textOf } from './errors.ts'

/** Options of every store on Postgres, the embedded one included. */
export interface StoreOptions {
  /** The Postgres schema of the tables. One schema is one application, in any number of like processes. Default `buslane`. */
  readonly schema?: string | undefined
  /** How long a process that says nothing keeps its events. Default 5,000. */
  readonly leaseMs?: number | undefined
  /** Default: a third of `leaseMs`. */
  readonly heartbeatMs?: number | undefined
  /** How often dead processes are looked for. Default 1,000. */
  readonly sweepMs?: number | undefined
  /** How often ready events are looked for when no hint came. Default 1,000. */
  readonly pollMs?: number | undefined
  /** At most so many events in one statement. Default 500. */
  readonly batchSize?: number | undefined
  /** How many appends may be under way at once. Default 3. */
  readonly parallelAppends?: number | undefined
  /** Whether processes tell each other with NOTIFY that there is work. Default `true`. */
  readonly notify?: boolean | undefined
  /** Whether `open()` migrates the schema. Default `true`; else it only checks it. */
  readonly autoMigrate?: boolean | undefined
  /** How long the key of a settled event is remembered. Default 7 days. */
  readonly idempotencyRetentionMs?: number | undefined
  /**
   * How long an event whose recorded handler nobody has any more waits for it, before it goes to the dead letters. One of a type that
   * nobody handles waits for ever: `inspect.counts().unhandled`. Default 1 hour.
   */
  readonly noHandlerAfterMs?: number | undefined
  /** How long a start waits for the database. Default 5,000. */
  readonly connectMs?: number | undefined
  /** Whether dead letters are kept here; else events stay as `dead`. Default `true`. */
  readonly deadLetters?: boolean | undefined
  /** Whether published events are logged, which, and for how long. Default `false`. */
  readonly eventLog?: boolean | EventLogOptions | undefined
  /** For payloads that are not plain JSON. */
  readonly codec?: PayloadCodec | undefined
  /** Where it says what nobody is told otherwise. Default: the console. */
  readonly logger?: Logger | undefined
}

/** What the event log keeps. */
export interface EventLogOptions {
  /** Only events of these types. Default: all. */
  readonly types?: readonly string[] | undefined
  /** At most so many, and at times one in a hundred more; the oldest go first. Default: no limit. */
  readonly maxCount?: number | undefined
  /** In milliseconds. Default: no limit. */
  readonly maxAgeMs?: number | undefined
}

/** The options, checked and complete. */
export interface StoreConfig {
  readonly schema: string
  readonly settings: StoreSettings
  readonly notify: boolean
  readonly autoMigrate: boolean
  readonly idempotencyRetentionMs: number
  readonly deadLetters: boolean
  /** Whether events of the type are recorded; `undefined`: none are. */
  readonly logs: ((type: string) => boolean) | undefined
  /** `Infinity`: no limit. */
  readonly logMaxAgeMs: number
  readonly logMaxCount: number
  readonly codec: PayloadCodec | undefined
  readonly logger: Logger
}

/** An event longer than this in its batch would be one that times cannot count to. */
const MAX_MS = 8.64e15

const NAMES = Object.keys({
  schema: 0,
  leaseMs: 0,
  heartbeatMs: 0,
  sweepMs: 0,
  pollMs: 0,
  batchSize: 0,
  parallelAppends: 0,
  notify: 0,
  autoMigrate: 0,
  idempotencyRetentionMs: 0,
  noHandlerAfterMs: 0,
  connectMs: 0,
  deadLetters: 0,
  eventLog: 0,
  codec: 0,
  logger: 0,
} satisfies Record<keyof StoreOptions, 0>)

/** @throws {BusError} `INVALID_ARGUMENT` */
export const requireSchema = (schema: string): void => {
  // Postgres cuts longer names off silently: two schemas could become one.
  if (typeof schema === 'string' && schema !== '' && Buffer.byteLength(schema) <= 63 && !schema.includes('\0')) return
  throw invalid(
    `schema must be a name of 1 to 63 bytes, not ${typeof schema === 'string' ? `'${schema}'` : textOf(schema)}`,
  )
}

/** What one kind of store has beside the options of all. */
interface Particular {
  /** What makes it. */
  readonly where?: string
  /** The names of its own options. */
  readonly own?: readonly string[]
  readonly defaults?: StoreOptions
}

/** @throws {BusError} `INVALID_ARGUMENT` */
export const storeConfig = (
  options: StoreOptions,
  { where = 'the store', own = [], defaults = {} }: Particular = {},
): StoreConfig => {
  checkNames(where, options, [...own, ...NAMES])
  for (const name of ['notify', 'autoMigrate', 'deadLetters'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean')
      throw invalid(`${name} must be a boolean, not ${textOf(value)}`)
  }
  if (options.codec !== undefined) checkMethods('codec', options.codec, ['encode', 'decode'])
  if (options.logger !== undefined) checkMethods('logger', options.logger, ['debug', 'info', 'warn', 'error'])
  const number = (name: keyof StoreOptions, fallback: number, min: number, whole: boolean): number => {
    const value = options[name] ?? defaults[name] ?? fallback
    if (typeof value === 'number' && value >= min && value <= MAX_MS && (!whole || Number.isInteger(value)))
      return value
    throw invalid(
      `${name} must be a${whole ? ' whole' : ''} number of at least ${min}, not ${JSON.stringify(value) ?? 'a value without text'}`,
    )
  }
  const schema = options.schema ?? 'buslane'
  requireSchema(schema)
  const leaseMs = number('leaseMs', 5000, 100, false)
  const heartbeatMs = number('heartbeatMs', leaseMs / 3, 10, false)
  if (heartbeatMs > leaseMs / 2)
    throw invalid(`heartbeatMs (${heartbeatMs}) must be at most half of leaseMs (${leaseMs})`)
  return {
    schema,
    settings: {
      leaseMs,
      heartbeatMs,
      sweepMs: number('sweepMs', 1000, 10, false),
      pollMs: number('pollMs', 1000, 10, false),
      batchSize: number('batchSize', 500, 1, true),
      parallelAppends: number('parallelAppends', 3, 1, true),
      connectMs: number('connectMs', 5000, 0, false),
      noHandlerAfterMs: number('noHandlerAfterMs', 3_600_000, 0, false),
    },
    notify: options.notify ?? true,
    autoMigrate: options.autoMigrate ?? true,
    idempotencyRetentionMs: number('idempotencyRetentionMs', 7 * 24 * 3_600_000, 0, false),
    deadLetters: options.deadLetters ?? true,
    ...logConfig(options.eventLog ?? false),
    codec: options.codec,
    logger: options.logger ?? consoleLogger,
  }
}

const logConfig = (eventLog: boolean | EventLogOptions): Pick<StoreConfig, 'logs' | 'logMaxAgeMs' | 'logMaxCount'> => {
  if (typeof eventLog === 'boolean') {
    return { logs: eventLog ? () => true : undefined, logMaxAgeMs: Infinity, logMaxCount: Infinity }
  }
  checkNames('eventLog', eventLog, ['types', 'maxCount', 'maxAgeMs'])
  const { types } = eventLog
  if (types !== undefined && !(Array.isArray(types) && types.every((type) => typeof type === 'string'))) {
    throw invalid(`eventLog.types must be an array of event types, not ${textOf(types)}`)
  }
  const wanted = types && new Set<string>(types)
  const limit = (name: 'maxAgeMs' | 'maxCount'): number => {
    const value = eventLog[name] ?? Infinity
    if (typeof value === 'number' && value >= 0) return value > MAX_MS ? Infinity : Math.floor(value)
    throw invalid(`eventLog.${name} must be a number that is not negative, not ${textOf(value)}`)
  }
  return {
    logs: (type) => wanted?.has(type) ?? true,
    logMaxAgeMs: limit('maxAgeMs'),
    logMaxCount: limit('maxCount'),
  }
}
