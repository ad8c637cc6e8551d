import { memoryPersistence } from '@buslane/persistence-memory'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decide, type Verb } from '../../src/decide.ts'
import type { Kept } from '../../src/keeper.ts'
import type { ApprovalRecord } from '../../src/record.ts'
import { StoredKeeper } from '../../src/stored-keeper.ts'
import { record } from '../support/records.ts'

const people = ['ada', 'bob', 'eve', 'mallory'] as const

const verb: fc.Arbitrary<Verb> = fc.oneof(
  fc.record({
    do: fc.constant('approve' as const),
    by: fc.constantFrom(...people),
    at: fc.nat(),
    edit: fc.option(fc.record({ payload: fc.json(), version: fc.constant(1) }), { nil: undefined, freq: 4 }),
  }),
  fc.record({ do: fc.constantFrom('deny' as const), by: fc.constantFrom(...people), at: fc.nat() }),
  fc.record({ do: fc.constantFrom('cancel' as const), by: fc.constantFrom(...people), at: fc.nat() }),
  fc.record({ do: fc.constant('expire' as const), at: fc.nat() }),
)
const approvers: readonly string[] = ['ada', 'bob', 'eve']
const terms = fc.record({
  quorum: fc.integer({ min: 1, max: 3 }),
  approvers: fc.option(fc.constant(approvers), { nil: undefined }),
})

it('decides once, and only with the yes of enough different people to what is there now', () => {
  fc.assert(
    fc.property(terms, fc.array(verb, { maxLength: 20 }), (given, verbs) => {
      let now = record({ terms: given })
      let decisions = 0
      for (const said of verbs) {
        const verdict = decide(now, said)
        if (verdict.is !== 'changed') continue
        if (verdict.record.state.is !== 'pending') decisions++
        now = verdict.record
      }
      const counting = now.votes.filter(({ edition }) => edition === now.edits.length).map(({ by }) => by)
      expect(decisions).toBe(now.state.is === 'pending' ? 0 : 1)
      expect(new Set(counting).size).toBe(counting.length)
      expect(now.state.is === 'approved').toBe(counting.length >= given.quorum)
      expect(now.votes.filter(({ by }) => given.approvers && !given.approvers.includes(by))).toEqual([])
    }),
  )
})

/** As several processes do: each looks, thinks for so many turns, and then says what it has to say, until it has said it. */
const say = async (keeper: StoredKeeper, said: Verb, turns: number): Promise<ApprovalRecord | undefined> => {
  for (;;) {
    const kept = (await keeper.get('a')) as Kept
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    const verdict = decide(kept.record, said)
    if (verdict.is !== 'changed') return undefined
    if (await keeper.update(kept, verdict.record, [])) return verdict.record
  }
}

it('gives one outcome, whoever and whatever races, in any order', async () => {
  await fc.assert(
    fc.asyncProperty(terms, fc.array(fc.tuple(verb, fc.nat({ max: 20 })), { maxLength: 12 }), async (given, racing) => {
      const { approvals, events } = memoryPersistence()
      const keeper = new StoredKeeper({ approvals, events, hears: () => false, look: () => {} })
      await keeper.add(record({ terms: given }), [])
      const changes = await Promise.all(racing.map(([said, turns]) => say(keeper, said, turns)))
      const outcomes = changes.filter((changed) => changed && changed.state.is !== 'pending')
      const { record: last } = (await keeper.get('a'))!
      expect(outcomes).toEqual(last.state.is === 'pending' ? [] : [last])
    }),
  )
})
