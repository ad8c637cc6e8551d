import { checkMethods, checkOptions, DURATION, FUNCTION, type Kinds } from './check.ts'
import type { Bus } from './bus.ts'
import type { StopReport } from './stats.ts'

/** Options of {@link stopOnUncaught}. */
export interface StopOnUncaughtOptions {
  /** How long handlers may take to finish, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined
  /** What to do once the bus has stopped. Default: print the error and exit with code 1. */
  readonly onStopped?: ((error: unknown, report: StopReport) => void) | undefined
}

const OPTIONS: Kinds = { timeoutMs: DURATION, onStopped: FUNCTION }

/**
 * Stops the bus when an error escapes everything else in the process (`uncaughtException`, `unhandledRejection`), so that
 * accepted work is finished before it exits. Handlers' errors never get here. Dispose of it to take it off again.
 *
 * @throws {BusError} `INVALID_ARGUMENT`
 */
export const stopOnUncaught = (bus: Bus, options: StopOnUncaughtOptions = {}): Disposable => {
  checkMethods('The bus of stopOnUncaught', bus, ['stop'])
  checkOptions('stopOnUncaught', options, OPTIONS)
  const { timeoutMs = 10_000, onStopped = exit } = options
  let stopping = false
  const onError = (error: unknown): void => {
    if (stopping) return
    stopping = true
    void bus.stop({ timeoutMs }).then(
      (report) => onStopped(error, report),
      () => onStopped(error, { finished: 0, aborted: 0, released: 0, left: [] }),
    )
  }
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onError)
      process.off('unhandledRejection', onError)
    },
  }
}

const exit = (error: unknown): void => {
  // oxlint-disable-next-line no-console -- the last words of a process belong on its console
  console.error(error)
  process.exit(1)
}
