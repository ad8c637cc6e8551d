import { settle } from './virtual-clock.ts'

/** The rejections that nobody handled while `work` ran, and in the turns of the event loop after it. */
export const unhandledDuring = async (work: () => Promise<unknown>): Promise<readonly unknown[]> => {
  const seen: unknown[] = []
  const others = process.listeners('unhandledRejection')
  const listener = (reason: unknown): void => void seen.push(reason)
  // The test runner's own listener would report them as errors of the run, beside the assertion that shows them.
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', listener)
  try {
    await work()
    await settle()
  } finally {
    process.off('unhandledRejection', listener)
    for (const other of others) process.on('unhandledRejection', other)
  }
  return seen
}
