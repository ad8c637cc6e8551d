/** How many handlers an event has, in how many groups that run one after another, and whether they return promises. */
export interface Shape {
  readonly handlers: number
  readonly groups: number
  readonly style: 'async' | 'sync'
}

/** What every side hands to the handlers, so that they are the same functions for all. */
export interface Carrier {
  readonly payload: { readonly n: number }
}

export type Handler = (event: Carrier) => Promise<void> | void

/** The handlers of one side, and the count of their calls. */
export class Handlers {
  readonly shape: Shape
  readonly all: readonly Handler[]
  calls = 0
  #sum = 0
  #expected = 0

  constructor(shape: Shape) {
    this.shape = shape
    const make: Readonly<Record<Shape['style'], (step: number) => Handler>> = {
      async: (step) => async (event) => {
        this.calls++
        this.#sum += event.payload.n * step
      },
      sync: (step) => (event) => {
        this.calls++
        this.#sum += event.payload.n * step
      },
    }
    this.all = Array.from({ length: shape.handlers }, (_, index) => make[shape.style](index + 1))
  }

  /** The handlers in their groups, as even as can be. */
  get groups(): readonly (readonly Handler[])[] {
    const groups = Array.from({ length: this.shape.groups }, (): Handler[] => [])
    for (const [index, handler] of this.all.entries()) groups[this.groupOf(index)]!.push(handler)
    return groups
  }

  groupOf(index: number): number {
    return Math.floor((index * this.shape.groups) / this.shape.handlers)
  }

  /** So many events are going to be handled. */
  expect(events: number): void {
    this.#expected += events * this.shape.handlers
  }

  /** Waits, a turn of the event loop at a time, until every expected call was made: for sides that cannot tell. */
  async settled(): Promise<void> {
    for (let turn = 0; this.calls < this.#expected; turn++) {
      if (turn === 1_000_000) break
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.check()
  }

  /** @throws {Error} if a call is missing or was made twice. */
  check(): void {
    if (this.calls === this.#expected && !Number.isNaN(this.#sum)) return
    throw new Error(`handlers were called ${this.calls} times, not ${this.#expected}`)
  }
}
