/**
 * A binary heap whose items may die while they wait: dead ones are dropped when they come to the top, or when they are
 * half of what is there. An item's place in the order must not change; equal items must be told apart by `before`.
 */
export class LazyHeap<Item> {
  #items: Item[] = []
  /** At this size the dead are looked for, so that each push pays a constant share of it. */
  #cleanAt = 64
  readonly #before: (a: Item, b: Item) => boolean
  readonly #isLive: (item: Item) => boolean

  constructor(before: (a: Item, b: Item) => boolean, isLive: (item: Item) => boolean) {
    this.#before = before
    this.#isLive = isLive
  }

  push(item: Item): void {
    if (this.#items.length >= this.#cleanAt) this.#clean()
    const items = this.#items
    let index = items.length
    items.push(item)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = items[parent]!
      if (!this.#before(item, above)) break
      items[index] = above
      index = parent
    }
    items[index] = item
  }

  /** The first that is alive. */
  peek(): Item | undefined {
    for (;;) {
      const first = this.#items[0]
      if (first === undefined || this.#isLive(first)) return first
      this.#dropFirst()
    }
  }

  pop(): Item | undefined {
    const first = this.peek()
    if (first !== undefined) this.#dropFirst()
    return first
  }

  #dropFirst(): void {
    const last = this.#items.pop()
    if (this.#items.length > 0) this.#sink(last!, 0)
  }

  #clean(): void {
    this.#items = this.#items.filter(this.#isLive)
    for (let index = (this.#items.length >> 1) - 1; index >= 0; index--) this.#sink(this.#items[index]!, index)
    this.#cleanAt = Math.max(64, this.#items.length * 2)
  }

  #sink(item: Item, from: number): void {
    const items = this.#items
    let index = from
    for (let child = index * 2 + 1; child < items.length; child = index * 2 + 1) {
      if (child + 1 < items.length && this.#before(items[child + 1]!, items[child]!)) child++
      if (!this.#before(items[child]!, item)) break
      items[index] = items[child]!
      index = child
    }
    items[index] = item
  }
}
