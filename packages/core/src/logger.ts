import { isThenable, noop } from './thenable.ts'

/**
 * Where the bus writes. The shape is pino's: fields first, then the message. `console` fits too.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** The default: the console, from warnings up. */
export const consoleLogger: Logger = {
  debug() {},
  info() {},
  // oxlint-disable-next-line no-console -- the console is where this logger writes
  warn: (fields, message) => console.warn(`[buslane] ${message}`, fields),
  // oxlint-disable-next-line no-console -- the console is where this logger writes
  error: (fields, message) => console.error(`[buslane] ${message}`, fields),
}

/** The logger as the bus uses it: one that throws must not take the bus down with it. */
export const guardLogger = (logger: Logger): Logger => {
  const guard =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        const told: unknown = logger[level](fields, message)
        if (isThenable(told)) told.then(noop, noop)
      } catch {
        // There is no other place to say it: a failing logger loses its own lines, and nothing else.
      }
    }
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') }
}
