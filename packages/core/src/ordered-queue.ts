import { Heap } from './heap.ts'

/** What the queue needs to know of an item: its place, and whether it was taken away meanwhile. */
export interface Ordered {
  /** The order key of R-PRI-5: the lowest goes first. */
  readonly key: number
  readonly priority: number
  /** When it was accepted, or due. */
  readonly at: number
  /** The order of acceptance: unique. */
  readonly order: number
}

export const goesBefore = (a: Ordered, b: Ordered): boolean => {
  if (a.key !== b.key) return a.key < b.key
  // Keys of extreme priorities overflow.
  if (a.priority !== b.priority && !Number.isFinite(a.key)) return a.priority < b.priority
  return a.at === b.at ? a.order < b.order : a.at < b.at
}

/**
 * A priority queue that is a plain first-in-first-out list as long as items arrive in order, which is nearly always:
 * only what must overtake goes to a heap. Items that were taken away are left where they are until they come up, or
 * until they are more than half.
 */
export class OrderedQueue<Item extends Ordered> {
  #list: (Item | undefined)[] = []
  #head = 0
  #gone = 0
  #early: Heap<Item> | undefined // made when something must overtake
  readonly #isGone: (item: Item) => boolean

  constructor(isGone: (item: Item) => boolean) {
    this.#isGone = isGone
  }

  /** How many items wait. */
  get size(): number {
    return this.#list.length - this.#head + (this.#early?.size ?? 0) - this.#gone
  }

  push(item: Item): void {
    const list = this.#list
    const last = list[list.length - 1]
    if (last === undefined || goesBefore(last, item)) list.push(item)
    else (this.#early ??= new Heap<Item>(goesBefore)).push(item)
  }

  /** The first that is not gone. */
  peek(): Item | undefined {
    let first = this.#first()
    while (this.#gone > 0 && first !== undefined && this.#isGone(first)) {
      this.#drop(first)
      this.#gone--
      first = this.#first()
    }
    return first
  }

  pop(): Item | undefined {
    const first = this.peek()
    if (first !== undefined) this.#drop(first)
    return first
  }

  /** Whether it holds nothing at all, not even items that are gone. */
  get empty(): boolean {
    return this.#list.length === 0 && (this.#early === undefined || this.#early.size === 0)
  }

  /** Says that one waiting item is now gone. */
  forget(): void {
    if (++this.#gone < 64 || this.#gone < this.size) return
    this.#list = this.#list.slice(this.#head).filter((item) => item !== undefined && !this.#isGone(item))
    this.#head = 0
    this.#early?.filter((item) => !this.#isGone(item))
    this.#gone = 0
  }

  /** The waiting items, in no particular order. */
  *[Symbol.iterator](): Generator<Item> {
    for (const item of [...this.#list.slice(this.#head), ...(this.#early ?? [])]) {
      if (item !== undefined && !this.#isGone(item)) yield item
    }
  }

  #first(): Item | undefined {
    const next = this.#list[this.#head]
    const early = this.#early?.peek()
    return early !== undefined && (next === undefined || goesBefore(early, next)) ? early : next
  }

  #drop(first: Item): void {
    const list = this.#list
    if (list[this.#head] !== first) {
      this.#early!.pop()
      return
    }
    list[this.#head++] = undefined
    if (this.#head === list.length) {
      list.length = 0
      this.#head = 0
    } else if (this.#head > 4096 && this.#head > list.length >> 1) {
      list.splice(0, this.#head)
      this.#head = 0
    }
  }
}
