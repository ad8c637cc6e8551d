import { defineEvent } from '@buslane/core'
import { describe, expect, it } from 'vitest'
import { NonRetryableError, resilience } from '../src/index.ts'
import { type StoredBus, storedBus } from './support/stored-bus.ts'

const Moved = defineEvent<number>('stock.moved', { durable: true })

/** A bus whose handler refuses one event until it is told otherwise. */
const stock = async (sequences: boolean): Promise<StoredBus & { refused: number; readonly handled: string[] }> => {
  const stored = await storedBus({ sequences })
  const state = { ...stored, refused: 2, handled: [] as string[] }
  stored.bus.on(
    Moved,
    async ({ payload, sessionId }) => {
      if (payload === state.refused) throw new NonRetryableError('no such shelf')
      state.handled.push(`${sessionId} ${payload}`)
    },
    { name: 'book' },
  )
  return state
}

const publish = async ({ bus }: StoredBus, sessionId: string, ...numbers: readonly number[]): Promise<void> => {
  for (const n of numbers) await bus.publish(Moved(n, { sessionId }))
}

describe('sequences', () => {
  it('C-53 parks the later events of a session behind its dead letter, in order, and others flow', async () => {
    const state = await stock(true)
    await publish(state, 'a', 1, 2, 3, 4)
    await publish(state, 'b', 1)
    await state.clock.advance(5000)
    expect(state.handled.toSorted()).toEqual(['a 1', 'b 1'])
    const { entries } = await state.guard.deadLetters.list({ session: 'a', type: Moved })
    expect(entries.map(({ payload, reason }) => [payload, reason])).toEqual([
      [2, 'not-retryable'],
      [3, 'sequence-blocked'],
      [4, 'sequence-blocked'],
    ])
  })

  it('C-53 a replay drains them in order', async () => {
    const state = await stock(true)
    await publish(state, 'a', 1, 2, 3, 4)
    await state.clock.advance(5000)
    state.refused = 0
    await state.guard.deadLetters.replay({ session: 'a' })
    await publish(state, 'a', 5)
    await state.clock.advance(10_000)
    expect(state.handled).toEqual(['a 1', 'a 2', 'a 3', 'a 4', 'a 5'])
    expect(await state.guard.deadLetters.count()).toMatchObject({ total: 0 })
  })

  it('C-53 what fails again blocks the others again', async () => {
    const state = await stock(true)
    await publish(state, 'a', 2, 3)
    await state.clock.advance(5000)
    await state.guard.deadLetters.replay({ session: 'a' })
    await state.clock.advance(10_000)
    expect(state.handled).toEqual([])
    expect((await state.guard.deadLetters.list()).entries.map(({ payload }) => payload)).toEqual([2, 3])
  })

  it('what was parked remembers it after a restart', async () => {
    const state = await stock(true)
    await publish(state, 'a', 2)
    await state.clock.advance(5000)
    await state.bus.stop()
    await state.bus.start()
    await publish(state, 'a', 3)
    await state.clock.advance(5000)
    expect(state.handled).toEqual([])
    expect((await state.guard.deadLetters.list()).entries.map(({ payload }) => payload)).toEqual([2, 3])
  })

  it('without it nobody waits for a dead letter', async () => {
    const state = await stock(false)
    await publish(state, 'a', 1, 2, 3)
    await state.clock.advance(5000)
    expect(state.handled).toEqual(['a 1', 'a 3'])
  })

  it('refuses what is no boolean by its name', () => {
    expect(() => resilience({ sequences: 'yes' as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('sequences') }),
    )
  })
})
