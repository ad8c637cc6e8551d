import type { Decision, Failure, Plugin } from '../../src/index.ts'

/** A plugin that decides what becomes of failures as it is told. */
export const deciding = (decide: (failure: Failure) => Decision): Plugin => ({
  name: 'deciding',
  install: (host) => host.onFailure(decide),
})

/** Every failed handler runs again after `delayMs`, until it has run `runs` times. */
export const retrying = (runs: number, delayMs: number): Plugin =>
  deciding(({ attempts }) => (attempts < runs ? { action: 'retry', delayMs } : { action: 'fail' }))
