import type { Page } from '@buslane/core'
import { invalidArgument } from './errors.ts'

/** What has a key, which is its number in the store. */
export interface Numbered {
  readonly seq: number
  readonly key: string
}

/** Which part of the entries a page shows. */
export interface PageRequest {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

/** Entries by key that can be walked in the order of their numbers, from any of them on. */
export class OrderedEntries<Entry extends Numbered> {
  readonly #byKey = new Map<string, Entry>()
  /** By number, with those that were deleted since it was last cleaned. */
  #order: Entry[] = []
  /** All before this index were deleted. */
  #start = 0

  get size(): number {
    return this.#byKey.size
  }

  get first(): Entry | undefined {
    while (this.#start < this.#order.length && !this.#has(this.#order[this.#start]!)) this.#start++
    return this.#order[this.#start]
  }

  get(key: string): Entry | undefined {
    return this.#byKey.get(key)
  }

  add(entry: Entry): void {
    this.#byKey.set(entry.key, entry)
    // Numbers are drawn in order, but a transaction adds its entries later, at its commit.
    const place = this.#placeAfter(entry.seq)
    if (place === this.#order.length) this.#order.push(entry)
    else this.#order.splice(place, 0, entry)
    this.#start = Math.min(this.#start, place)
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    const deleted = this.#byKey.delete(key)
    if (this.#order.length > 64 && this.#order.length > 2 * this.size) {
      this.#order = this.#order.filter((entry) => this.#has(entry))
      this.#start = 0
    }
    return deleted
  }

  clear(): void {
    this.#byKey.clear()
    this.#order = []
    this.#start = 0
  }

  *[Symbol.iterator](): Generator<Entry, undefined> {
    for (const entry of this.#order) if (this.#has(entry)) yield entry
  }

  /** @throws {BusError} `INVALID_ARGUMENT` */
  page(request: PageRequest, matches: (entry: Entry) => boolean): { entries: Entry[]; next: string | undefined } {
    const limit = Math.min(request.limit ?? DEFAULT_LIMIT, MAX_LIMIT)
    if (!(limit >= 1)) throw invalidArgument('limit must be a number of at least 1')
    const entries: Entry[] = []
    for (let place = this.#placeAfter(cursorOf(request)); place < this.#order.length; place++) {
      const entry = this.#order[place]!
      if (!this.#has(entry) || !matches(entry)) continue
      if (entries.length >= limit) return { entries, next: entries.at(-1)?.key }
      entries.push(entry)
    }
    return { entries, next: undefined }
  }

  #has(entry: Entry): boolean {
    return this.#byKey.get(entry.key) === entry
  }

  /** The index of the first entry with a higher number. */
  #placeAfter(seq: number): number {
    const order = this.#order
    let low = 0
    let high = order.length
    if (high > 0 && order[high - 1]!.seq <= seq) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if (order[middle]!.seq <= seq) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The page with other things on it. */
export const mapPage = <From, To>(page: Page<From>, map: (entry: From) => To): Page<To> => ({
  entries: page.entries.map(map),
  next: page.next,
})

const cursorOf = ({ cursor }: PageRequest): number => {
  if (cursor === undefined) return -1
  const seq = Number(cursor)
  if (!Number.isSafeInteger(seq)) throw invalidArgument('cursor must be the `next` of an earlier page')
  return seq
}
