const BUCKETS = 10

/** How many calls ended, and failed, within the last `windowMs`: in ten buckets, so it is exact to a tenth. Its size never grows. */
export class SlidingWindow {
  calls = 0
  failures = 0
  readonly #bucketMs: number
  readonly #calls: number[] = Array.from({ length: BUCKETS }, () => 0)
  readonly #failures: number[] = Array.from({ length: BUCKETS }, () => 0)
  #bucket = 0
  #started = false

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS
  }

  record(now: number, hasFailed: boolean): void {
    this.forget(now)
    const index = this.#bucket % BUCKETS
    this.#calls[index]!++
    this.calls++
    if (!hasFailed) return
    this.#failures[index]!++
    this.failures++
  }

  /** Drops what is too old. */
  forget(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs)
    if (bucket === this.#bucket && this.#started) return
    // A clock that begins below ten buckets has no bucket before the first.
    const passed = this.#started ? Math.min(BUCKETS, bucket - this.#bucket) : 0
    this.#started = true
    for (let step = 1; step <= passed; step++) {
      const index = (this.#bucket + step) % BUCKETS
      this.calls -= this.#calls[index]!
      this.failures -= this.#failures[index]!
      this.#calls[index] = this.#failures[index] = 0
    }
    this.#bucket = bucket
  }

  clear(): void {
    this.#calls.fill(0)
    this.#failures.fill(0)
    this.calls = this.failures = 0
  }
}
