import { describe, expect, it } from 'vitest'
import { OrderedEntries } from '../src/ordered-entries.ts'

const entry = (seq: number) => ({ seq, key: String(seq) })
const all = () => true

const filled = (...numbers: number[]): OrderedEntries<ReturnType<typeof entry>> => {
  const entries = new OrderedEntries<ReturnType<typeof entry>>()
  for (const seq of numbers) entries.add(entry(seq))
  return entries
}

describe('OrderedEntries', () => {
  it('walks entries by number, also those that came late', () => {
    expect([...filled(3, 1, 5, 2)].map(({ seq }) => seq)).toEqual([1, 2, 3, 5])
  })

  it('knows the first that is there, whatever was deleted and came in front', () => {
    const entries = filled(2, 3, 4)
    entries.delete('2')
    expect(entries.first).toEqual(entry(3))
    entries.add(entry(1))
    expect(entries.first).toEqual(entry(1))
  })

  it('goes on behind the cursor when that entry is gone', () => {
    const entries = filled(1, 2, 3, 4)
    const { next } = entries.page({ limit: 2 }, all)
    entries.delete('2')
    expect(entries.page({ limit: 2, cursor: next }, all)).toEqual({ entries: [entry(3), entry(4)], next: undefined })
  })

  it('gives a hundred if not told, and a thousand at most', () => {
    const entries = filled(...Array.from({ length: 1_500 }, (_, index) => index))
    expect(entries.page({}, all).entries).toHaveLength(100)
    expect(entries.page({ limit: 5_000 }, all).entries).toHaveLength(1_000)
  })

  it('keeps its order when most of it has gone', () => {
    const entries = filled(...Array.from({ length: 500 }, (_, index) => index))
    for (let seq = 0; seq < 500; seq++) if (seq % 50 !== 7) entries.delete(String(seq))
    expect([...entries].map(({ seq }) => seq)).toEqual([7, 57, 107, 157, 207, 257, 307, 357, 407, 457])
    expect(entries.delete('3')).toBe(false)
    expect(entries.size).toBe(10)
  })
})
