import { describe, expect, it } from 'vitest'
import { goesBefore, type Ordered, OrderedQueue } from '../src/ordered-queue.ts'

interface Item extends Ordered {
  gone: boolean
}

let order = 0
const item = (key: number, at = 0, priority = 50): Item => ({ key, priority, at, order: order++, gone: false })
const queueOf = (...items: Item[]): OrderedQueue<Item> => {
  const queue = new OrderedQueue<Item>(({ gone }) => gone)
  for (const one of items) queue.push(one)
  return queue
}
const take = (queue: OrderedQueue<Item>, one: Item): void => {
  one.gone = true
  queue.forget()
}
const drain = (queue: OrderedQueue<Item>): Item[] => {
  const out: Item[] = []
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) out.push(next)
  return out
}

describe('OrderedQueue', () => {
  it('R-PRI-5 orders by key, then by time of acceptance, then by acceptance', () => {
    const [first, second, third, fourth] = [item(1, 5), item(2, 1), item(2, 2), item(2, 2)]
    expect(drain(queueOf(fourth, third, second, first))).toEqual([first, second, third, fourth])
    expect(goesBefore(third, fourth)).toBe(true)
    expect(goesBefore(fourth, third)).toBe(false)
  })

  it('R-PRI-5 falls back to the priority where keys of extreme priorities overflow', () => {
    const [first, second] = [item(Infinity, 9, 1e308), item(Infinity, 1, 1.5e308)]
    expect(drain(queueOf(second, first))).toEqual([first, second])
  })

  it('keeps what arrives in order in order, and lets the early overtake', () => {
    const items = [item(1), item(2), item(3)]
    const early = item(0)
    const queue = queueOf(...items)
    expect(queue.peek()).toBe(items[0])
    queue.push(early)
    expect(queue.peek()).toBe(early)
    expect(drain(queue)).toEqual([early, ...items])
  })

  it('passes over what was taken away, and does not count it', () => {
    const items = [item(1), item(2), item(3), item(0)]
    const queue = queueOf(...items)
    take(queue, items[3]!)
    take(queue, items[1]!)
    expect(queue.size).toBe(2)
    expect([...queue]).toEqual([items[0], items[2]])
    expect(drain(queue)).toEqual([items[0], items[2]])
    expect(queue.size).toBe(0)
  })

  it('R-LANE-2 lets go of what was taken away when that is the most of it', () => {
    const items = Array.from({ length: 1000 }, (_, n) => item(n % 10 === 0 ? -n : n))
    const queue = queueOf(...items)
    for (const one of items.slice(0, 990)) take(queue, one)
    expect(queue.size).toBe(10)
    expect(drain(queue)).toHaveLength(10)
    expect(queue.size).toBe(0)
  })

  it('stays right over many thousands of items', () => {
    const queue = queueOf()
    let taken = 0
    for (let round = 0; round < 20_000; round++) {
      queue.push(item(round))
      queue.push(item(round))
      taken = queue.pop()!.key
    }
    expect(taken).toBe(9999)
    expect(queue.size).toBe(20_000)
  })
})
