/** A pending timer of a {@link Clock}; what it is belongs to the clock. */
export type ClockTimer = unknown

/**
 * Where the bus takes time from. Inject one to test without waiting, or to follow a simulation.
 *
 * - Durations (delays, back-off, timeouts) use {@link Clock.monotonic}; points in time (`{ at }`) use {@link Clock.now}.
 * - A timer must never fire early by its own `monotonic()`; the bus asks again when one does.
 */
export interface Clock {
  /** The wall clock, in milliseconds since the Unix epoch. It may step. */
  now(): number
  /** A clock in milliseconds that never steps back and has no meaning beyond differences. */
  monotonic(): number
  /** Calls `callback` once after `delayMs` milliseconds (0 to 2^31 - 1). */
  setTimer(callback: () => void, delayMs: number): ClockTimer
  /** Cancels a timer that has not fired; harmless otherwise. */
  clearTimer(timer: ClockTimer): void
}

/** The clock of the machine: `Date.now`, `performance.now` and `setTimeout`. The default. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => clearTimeout(timer as number),
}

/** As browsers have it. */
interface Channel {
  port1: { onmessage: (() => void) | null; close(): void }
  port2: { postMessage(message: unknown): void }
}

const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown }

/**
 * Runs `callback` in a later turn of the event loop, after timers and I/O had their chance. Browsers have no
 * `setImmediate`, and their nested `setTimeout(0)` waits 4 ms, hence the message channel.
 */
export const nextTurn: (callback: () => void) => void =
  setImmediate ??
  ((callback) => {
    const { port1, port2 } = new MessageChannel() as unknown as Channel
    port1.onmessage = () => {
      port1.close()
      callback()
    }
    port2.postMessage(0)
  })
