import { seeded } from './seeded.ts'
import type { VirtualClock } from './virtual-clock.ts'

const { setImmediate } = globalThis

/** Lets one of all that wait go on in each turn of the event loop: which one, a seed decides. */
export class Interleaver {
  readonly #random: () => number
  readonly #clock: VirtualClock
  readonly #waiting: (() => void)[] = []

  constructor(seed: number, clock: VirtualClock) {
    this.#random = seeded(seed)
    this.#clock = clock
  }

  /** Begins in its turn, and ends in another. */
  async around<Value>(work: () => Value | PromiseLike<Value>): Promise<Value> {
    await this.#turn()
    try {
      return await work()
    } finally {
      await this.#turn()
    }
  }

  #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#waiting.push(resolve) === 1) setImmediate(this.#next)
    return promise
  }

  readonly #next = (): void => {
    this.#clock.monotonic() // something is going on: time must not pass yet
    const [chosen] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1)
    chosen?.()
    if (this.#waiting.length > 0) setImmediate(this.#next)
  }
}
