import { describe, expect, it } from 'vitest'
import { Heap } from '../src/heap.ts'

const heapOf = (...items: number[]): Heap<number> => {
  const heap = new Heap<number>((a, b) => a < b)
  for (const item of items) heap.push(item)
  return heap
}

const drain = (heap: Heap<number>): number[] => {
  const out: number[] = []
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) out.push(next)
  return out
}

describe('Heap', () => {
  it('is empty at first', () => {
    const heap = heapOf()
    expect(heap.size).toBe(0)
    expect(heap.peek()).toBeUndefined()
    expect(heap.pop()).toBeUndefined()
  })

  it('gives the least item first', () => {
    const heap = heapOf(5, 3, 8, 1, 9, 2)
    expect(heap.peek()).toBe(1)
    expect(heap.size).toBe(6)
    expect(drain(heap)).toEqual([1, 2, 3, 5, 8, 9])
    expect(heap.size).toBe(0)
  })

  it('keeps items that are equal', () => {
    expect(drain(heapOf(2, 1, 2, 1))).toEqual([1, 1, 2, 2])
  })

  it('keeps only what passes the filter, in order', () => {
    const heap = heapOf(9, 8, 7, 6, 5, 4, 3, 2, 1)
    heap.filter((item) => item % 2 === 1)
    expect(heap.size).toBe(5)
    expect(drain(heap)).toEqual([1, 3, 5, 7, 9])
  })

  it('gives every item when iterated', () => {
    expect(new Set(heapOf(3, 1, 2))).toEqual(new Set([1, 2, 3]))
  })
})
