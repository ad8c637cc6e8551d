import type { Logger } from '@buslane/core'

/** Runs what is not ours: hooks, the SDK, its processors and exporters. What they throw is logged once and harms nothing. */
export class Guard {
  /** How often something threw. */
  failures = 0
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  run<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }

  readonly failed = (error: unknown): void => {
    if (this.failures++ > 0) return
    this.#logger.error({ error }, 'Telemetry failed: a hook or the SDK threw. Its further errors are not logged')
  }
}
