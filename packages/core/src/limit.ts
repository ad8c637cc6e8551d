import { aborted, BusError } from './errors.ts'
import type { Timer } from './timers.ts'

/** A deadline, or a caller's signal, for one call. */
export interface Limit {
  /** Raised when it is over. */
  readonly signal: AbortSignal
  /** Set when it is over. */
  error?: BusError
  /** What is done when it is over. */
  onEnd?: (status: 'timed-out' | 'aborted', error: BusError) => void
  /** It is not needed any more. */
  end(): void
}

interface LimitHost {
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer | undefined): void
}

interface LimitOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/** Begins to watch the time and the signal; `undefined` if there is nothing to watch. `what` is named in the error. */
export const createLimit = (
  host: LimitHost,
  what: string,
  { signal, timeoutMs = Infinity }: LimitOptions,
): Limit | undefined => {
  if (signal === undefined && timeoutMs === Infinity) return undefined
  const controller = new AbortController()
  const fire = (status: 'timed-out' | 'aborted', error: BusError): void => {
    limit.end()
    limit.error = error
    controller.abort(error)
    limit.onEnd?.(status, error)
  }
  const onAbort = (): void => fire('aborted', aborted(what, signal!.reason))
  const onTimeout = (): void => fire('timed-out', new BusError('TIMED_OUT', `${what} took longer than ${timeoutMs} ms`))
  const timer = timeoutMs === Infinity ? undefined : host.after(timeoutMs, onTimeout)
  signal?.addEventListener('abort', onAbort, { once: true })
  const limit: Limit = {
    signal: controller.signal,
    end: () => {
      host.cancel(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
  return limit
}
