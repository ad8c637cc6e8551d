import { type Clock, isBusError } from '@buslane/core'

const FIRST_MS = 50
const MAX_MS = 2000

/**
 * Asks a store again while it is in trouble, until the signal is raised: what a run of a command has to say must not be lost because the
 * store was away for a moment. *Failure*: rejects with what will not go away, or with the signal's reason.
 */
export const patiently = async <Value>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<Value>,
): Promise<Value> => {
  for (let waitMs = FIRST_MS; ; waitMs = Math.min(MAX_MS, waitMs * 2)) {
    try {
      return await work()
    } catch (error) {
      if (isBusError(error) && error.retryable === false) throw error
      await pause(clock, signal, waitMs)
    }
  }
}

const pause = (clock: Clock, signal: AbortSignal, ms: number): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const timer = clock.setTimer(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    const onAbort = (): void => {
      clock.clearTimer(timer)
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
