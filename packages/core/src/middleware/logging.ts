import { checkMethods, checkOptions, type Kinds } from '../check.ts'
import type { HandlerContext } from '../context.ts'
import { describe } from '../errors.ts'
import { consoleLogger, LEVELS, type Logger } from '../logger.ts'
import type { Message } from '../message.ts'
import type { Middleware } from '../middleware.ts'

/** Options of {@link loggingMiddleware}. */
export interface LogOptions {
  /** Default: the console, from warnings up. */
  readonly logger?: Logger | undefined
  /** At which level a handler that succeeds is logged. Default `debug`. */
  readonly level?: 'debug' | 'info' | undefined
}

const OPTIONS: Kinds = { logger: 'anything', level: ['debug', 'info'] }

/**
 * Logs every run of a handler: its message's type, id and session, the attempt, and the error of one that fails.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const loggingMiddleware = (options: LogOptions = {}): Middleware => {
  checkOptions('loggingMiddleware', options, OPTIONS)
  const { logger = consoleLogger, level = 'debug' } = options
  checkMethods('logger', logger, LEVELS)
  const log = async (message: Message, context: HandlerContext, next: () => unknown): Promise<unknown> => {
    const { id, type, sessionId } = message
    try {
      const value = await next()
      logger[level]({ id, sessionId, attempt: context.attempt }, `Handled '${type}'`)
      return value
    } catch (error) {
      logger.warn(
        { id, sessionId, attempt: context.attempt, error },
        `A handler of '${type}' failed: ${describe(error)}`,
      )
      throw error
    }
  }
  return { command: log, event: log }
}
