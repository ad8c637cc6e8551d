import { VirtualClock as Clock } from '@buslane/testkit'

/** Counts the timers that were set. */
export class VirtualClock extends Clock {
  timersSet = 0

  override setTimer(callback: () => void, delayMs: number): number {
    this.timersSet++
    return super.setTimer(callback, delayMs)
  }
}

/** Lets everything happen that waits for nothing but a turn of the event loop. */
export const settle = (): Promise<void> => new Clock().settle()
