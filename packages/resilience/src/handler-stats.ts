import { SlidingWindow } from './sliding-window.ts'

const RATE_WINDOW_MS = 60_000

/** How one handler, type or session is doing. */
export interface HandlerStats {
  /** Runs begun. */
  readonly executions: number
  /** Runs that failed. What was aborted from outside, or not called at all, is no failure. */
  readonly failures: number
  readonly consecutiveFailures: number
  /** Runs that took longer than their `timeoutMs`. */
  readonly timeouts: number
  /** Runs that ignored their signal after a timeout and have not ended yet. */
  readonly runaways: number
  /** Runs that ended per second, in the last minute. */
  readonly ratePerSecond: number
  /** Which share of them failed: 0 to 1. */
  readonly failureRate: number
  readonly lastFailure: LastFailure | undefined
}

export interface LastFailure {
  /** Epoch milliseconds. */
  readonly failedAt: number
  readonly name: string
  readonly message: string
}

/** Figures of one handler, counted as it runs; their size never grows. */
export class Tally {
  executions = 0
  failures = 0
  consecutiveFailures = 0
  timeouts = 0
  runaways = 0
  lastFailure: LastFailure | undefined = undefined
  readonly window: SlidingWindow = new SlidingWindow(RATE_WINDOW_MS)

  succeeded(now: number): void {
    this.consecutiveFailures = 0
    this.window.record(now, false)
  }

  failed(now: number, failure: LastFailure): void {
    this.failures++
    this.consecutiveFailures++
    this.lastFailure = failure
    this.window.record(now, true)
  }
}

/** The figures of some tallies together. */
export const statsOf = (tallies: readonly Tally[], now: number): HandlerStats => {
  const sum = (read: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + read(tally), 0)
  for (const { window } of tallies) window.forget(now)
  const ended = sum(({ window }) => window.calls)
  const lastFailures = tallies.flatMap(({ lastFailure }) => lastFailure ?? [])
  return {
    executions: sum(({ executions }) => executions),
    failures: sum(({ failures }) => failures),
    consecutiveFailures: Math.max(0, ...tallies.map(({ consecutiveFailures }) => consecutiveFailures)),
    timeouts: sum(({ timeouts }) => timeouts),
    runaways: sum(({ runaways }) => runaways),
    ratePerSecond: ended / (RATE_WINDOW_MS / 1000),
    failureRate: ended === 0 ? 0 : sum(({ window }) => window.failures) / ended,
    lastFailure: lastFailures.sort((a, b) => b.failedAt - a.failedAt)[0],
  }
}
