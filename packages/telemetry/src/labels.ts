import type { Attributes } from '@opentelemetry/api'

/** Keeps the values of a label few: beyond `limit` they are `_OTHER`. */
export class Bounded {
  readonly #known = new Set<string>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  of(value: string): string {
    if (this.#known.has(value)) return value
    if (this.#known.size >= this.#limit) return '_OTHER'
    this.#known.add(value)
    return value
  }
}

/** Sums by labels. Adding is one look-up, where a counter of the SDK sorts and joins the labels each time. */
export class Sums {
  readonly #sums = new Map<string, { readonly attributes: Attributes; value: number }>()

  /** `key` stands for the labels; they are made when it is new. */
  add(key: string, value: number, attributes: () => Attributes): void {
    const sum = this.#sums.get(key)
    if (sum === undefined) this.#sums.set(key, { attributes: attributes(), value })
    else sum.value += value
  }

  values(): Iterable<{ readonly attributes: Attributes; readonly value: number }> {
    return this.#sums.values()
  }
}
