import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LazyHeap } from '../src/lazy-heap.ts'

interface Item {
  readonly value: number
  readonly order: number
  alive: boolean
}

const before = (a: Item, b: Item): boolean => (a.value === b.value ? a.order < b.order : a.value < b.value)

describe('LazyHeap', () => {
  it('gives the least that is alive, whatever is pushed, popped and dies', () => {
    const step = fc.record({ does: fc.constantFrom('push', 'push', 'push', 'pop', 'kill'), value: fc.nat(50) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const heap = new LazyHeap<Item>(before, ({ alive }) => alive)
        let model: Item[] = []
        const run: Record<string, (value: number, order: number) => void> = {
          push: (value, order) => {
            const item = { value, order, alive: true }
            heap.push(item)
            model = [...model, item].sort((a, b) => (before(a, b) ? -1 : 1))
          },
          pop: () => expect(heap.pop()).toBe(model.shift()),
          kill: (value) => {
            for (const item of model.splice(value % Math.max(1, model.length), 1)) item.alive = false
          },
        }
        for (const [order, { does, value }] of steps.entries()) {
          run[does]!(value, order)
          expect(heap.peek()).toBe(model[0])
        }
      }),
    )
  })
})
