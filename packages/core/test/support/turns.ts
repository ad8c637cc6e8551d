import type { VirtualClock } from './virtual-clock.ts'

/** Watches how long the code of a test kept the event loop from taking a turn, by the virtual clock. */
export const watchTurns = (clock: VirtualClock): { readonly longestMs: () => number; look(): void; stop(): void } => {
  let turnAt = clock.monotonic()
  let longest = 0
  let watching = true
  const turn = (): void => {
    turnAt = clock.monotonic()
    setImmediate(() => watching && turn())
  }
  turn()
  return {
    longestMs: () => longest,
    /** To be called where a handler begins: its own time is not the bus's fault. */
    look: () => void (longest = Math.max(longest, clock.monotonic() - turnAt)),
    stop: () => void (watching = false),
  }
}
