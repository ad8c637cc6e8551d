import fc from 'fast-check'
import { describe, it, expect } from 'vitest'
import { Heap } from '../../src/heap.ts'
import { goesBefore, type Ordered, OrderedQueue } from '../../src/ordered-queue.ts'

type Step<T> =
  | { readonly does: 'push'; readonly value: T }
  | { readonly does: 'pop' | 'filter' | 'forget'; readonly at: number }

const steps = <T>(value: fc.Arbitrary<T>, ...others: ('pop' | 'filter' | 'forget')[]): fc.Arbitrary<Step<T>[]> =>
  fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ does: fc.constant('push' as const), value }) },
      { weight: 2, arbitrary: fc.record({ does: fc.constantFrom(...others), at: fc.nat(1000) }) },
    ),
    { maxLength: 400, size: 'max' },
  )

describe('Heap', () => {
  it('is a sorted list, whatever is pushed, popped and filtered', () => {
    fc.assert(
      fc.property(steps(fc.integer({ min: -50, max: 50 }), 'pop', 'filter'), (all) => {
        let id = 0
        const before = (a: readonly number[], b: readonly number[]): boolean => (a[0]! - b[0]! || a[1]! - b[1]!) < 0
        const heap = new Heap<readonly number[]>(before)
        let model: (readonly number[])[] = []
        const run: Record<Step<number>['does'], (step: never) => void> = {
          push: ({ value }: { value: number }) => {
            const item = [value, id++]
            heap.push(item)
            model = [...model, item].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!)
          },
          pop: () => expect(heap.pop()).toBe(model.shift()),
          filter: ({ at }: { at: number }) => {
            const keep = (item: readonly number[]): boolean => item[1]! % 7 !== at % 7
            heap.filter(keep)
            model = model.filter(keep)
          },
          forget: () => undefined,
        }
        for (const step of all) {
          run[step.does](step as never)
          expect(heap.size).toBe(model.length)
          expect(heap.peek()).toBe(model[0])
        }
        expect(new Set(heap)).toEqual(new Set(model))
        for (const item of model) expect(heap.pop()).toBe(item)
      }),
    )
  })
})

interface Item extends Ordered {
  gone: boolean
}

describe('OrderedQueue', () => {
  it('R-PRI-5 gives the lowest key of what is there, whatever is pushed, popped and taken away', () => {
    const place = fc.record({ key: fc.integer({ min: 0, max: 20 }), at: fc.integer({ min: 0, max: 5 }) })
    fc.assert(
      fc.property(steps(place, 'pop', 'forget'), (all) => {
        let order = 0
        const queue = new OrderedQueue<Item>(({ gone }) => gone)
        let model: Item[] = []
        const run: Record<Step<unknown>['does'], (step: never) => void> = {
          push: ({ value }: { value: { key: number; at: number } }) => {
            const item = { ...value, priority: 50, order: order++, gone: false }
            queue.push(item)
            model = [...model, item].sort((a, b) => (goesBefore(a, b) ? -1 : 1))
          },
          pop: () => expect(queue.pop()).toBe(model.shift()),
          forget: ({ at }: { at: number }) => {
            const [item] = model.splice(at % Math.max(1, model.length), 1)
            Object.assign(item ?? {}, { gone: true })
            ;[item].filter(Boolean).forEach(() => queue.forget())
          },
          filter: () => undefined,
        }
        for (const step of all) {
          run[step.does](step as never)
          expect(queue.size).toBe(model.length)
          expect(queue.peek()).toBe(model[0])
          expect(queue.size).toBe(model.length)
        }
        expect(new Set(queue)).toEqual(new Set(model))
        for (const item of model) expect(queue.pop()).toBe(item)
      }),
    )
  })
})
