import type { Plugin } from '@buslane/core'

/** Runs a failed handler again after so many milliseconds, `most` times in all. */
export const retrying = (delayMs: number, most: number): Plugin => ({
  name: 'retries',
  install: (host) =>
    host.onFailure(({ attempts }) => (attempts < most ? { action: 'retry', delayMs } : { action: 'fail' })),
})
