interface DelayHistogram {
  enable(): boolean
  disable(): boolean
  reset(): void
  percentile(percentile: number): number
  readonly max: number
  readonly count: number
}
interface PerfHooks {
  monitorEventLoopDelay(options: { readonly resolution: number }): DelayHistogram
}

/** Measures how late the event loop is, from one reading to the next; nothing where the runtime cannot tell. */
export class EventLoopDelay {
  #histogram: DelayHistogram | undefined

  start(): void {
    const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }
    const hooks = process?.getBuiltinModule?.('node:perf_hooks') as PerfHooks | undefined
    this.#histogram ??= hooks?.monitorEventLoopDelay?.({ resolution: RESOLUTION_MS })
    this.#histogram?.enable()
  }

  stop(): void {
    this.#histogram?.disable()
    this.#histogram = undefined
  }

  /** In seconds. */
  read(): readonly { readonly quantile: 'p50' | 'p99' | 'max'; readonly value: number }[] {
    const histogram = this.#histogram
    if (histogram === undefined) return []
    const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000)
    const read = [
      { quantile: 'p50', value: seconds(histogram.percentile(50)) },
      { quantile: 'p99', value: seconds(histogram.percentile(99)) },
      { quantile: 'max', value: histogram.count === 0 ? 0 : seconds(histogram.max) },
    ] as const
    histogram.reset()
    return read
  }
}

/** What Node measures is the time between its looks, which are so far apart when nothing is late. */
const RESOLUTION_MS = 10
