import { check, checkMethods, FUNCTION } from '../check.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Message } from '../message.ts'
import type { Middleware } from '../middleware.ts'

/** One run of a handler. */
export interface TimingReport {
  readonly message: Message
  readonly kind: 'command' | 'event'
  /** How long the handler took, in milliseconds. */
  readonly durationMs: number
  readonly failed: boolean
}

/**
 * Reports how long every handler takes. For figures of the whole path, use an observer or the telemetry package.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const timingMiddleware = (
  report: (timing: TimingReport) => void,
  clock: Pick<Clock, 'monotonic'> = systemClock,
): Middleware => {
  check('The report of timingMiddleware', report, FUNCTION)
  checkMethods('clock', clock, ['monotonic'])
  const time = async (kind: 'command' | 'event', message: Message, next: () => unknown): Promise<unknown> => {
    const startedAt = clock.monotonic()
    let failed = true
    try {
      const value = await next()
      failed = false
      return value
    } finally {
      report({ message, kind, durationMs: clock.monotonic() - startedAt, failed })
    }
  }
  return {
    command: (message, _context, next) => time('command', message, next),
    event: (message, _context, next) => time('event', message, next),
  }
}
