/** A binary heap: the least item by `before` comes first. Equal items must be told apart by `before` itself. */
export class Heap<Item> {
  #items: Item[] = []
  readonly #before: (a: Item, b: Item) => boolean

  constructor(before: (a: Item, b: Item) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): Item | undefined {
    return this.#items[0]
  }

  push(item: Item): void {
    const items = this.#items
    let index = items.length
    items.push(item)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#before(item, items[parent]!)) break
      items[index] = items[parent]!
      index = parent
    }
    items[index] = item
  }

  pop(): Item | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (items.length > 0) this.#sink(last!, 0)
    return first
  }

  /** Keeps only the items that pass. Linear. */
  filter(keep: (item: Item) => boolean): void {
    this.#items = this.#items.filter(keep)
    for (let index = (this.#items.length >> 1) - 1; index >= 0; index--) this.#sink(this.#items[index]!, index)
  }

  [Symbol.iterator](): ArrayIterator<Item> {
    return this.#items[Symbol.iterator]()
  }

  #sink(item: Item, from: number): void {
    const items = this.#items
    const half = items.length >> 1
    let index = from
    while (index < half) {
      let child = index * 2 + 1
      if (child + 1 < items.length && this.#before(items[child + 1]!, items[child]!)) child++
      if (!this.#before(items[child]!, item)) break
      items[index] = items[child]!
      index = child
    }
    items[index] = item
  }
}
