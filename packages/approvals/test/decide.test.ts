import { describe, expect, it } from 'vitest'
import { decide, type Verb } from '../src/decide.ts'
import { isFinal, type RecordState } from '../src/record.ts'
import { decision, record } from './support/records.ts'

const yes = (by: string, more: Partial<Verb & { do: 'approve' }> = {}): Verb => ({ do: 'approve', by, at: 1, ...more })
const edit = { payload: '{"n":2}', version: 1 }

describe('decide', () => {
  it.each<[string, Verb, RecordState]>([
    ['approves', yes('ada', { note: 'ok' }), { is: 'approved', decision: { by: 'ada', at: 1, note: 'ok' } }],
    ['denies', { do: 'deny', by: 'ada', at: 1 }, { is: 'denied', decision: { by: 'ada', at: 1 } }],
    ['cancels', { do: 'cancel', by: 'ada', at: 1 }, { is: 'cancelled', decision: { by: 'ada', at: 1 } }],
    ['expires', { do: 'expire', at: 1 }, { is: 'expired', at: 1 }],
  ])('%s what is pending', (_, verb, state) => {
    expect(decide(record(), verb)).toMatchObject({ is: 'changed', record: { state } })
  })

  const settled: readonly RecordState[] = [
    { is: 'denied', decision },
    { is: 'cancelled', decision },
    { is: 'expired', at: 0 },
    { is: 'approved', decision },
    { is: 'running', decision, run: { token: 't', attempt: 1, startedAt: 0 } },
  ]
  const verbs: readonly Verb[] = [
    yes('bob'),
    yes('bob', { edit }),
    { do: 'deny', by: 'bob', at: 1 },
    { do: 'cancel', by: 'bob', at: 1 },
    { do: 'expire', at: 1 },
  ]
  it.each(settled.flatMap((state) => verbs.map((verb) => [state.is, verb.do, state, verb] as const)))(
    'changes nothing that is %s when somebody says %s',
    (_is, _do, state, verb) => {
      expect(decide(record({ state }), verb)).toEqual({ is: 'decided' })
    },
  )

  it.each<[string, Verb, string]>([
    ['approve', yes('eve'), 'not-allowed'],
    ['approve an edit', yes('eve', { edit }), 'not-allowed'],
    ['deny', { do: 'deny', by: 'eve', at: 1 }, 'not-allowed'],
    ['cancel', { do: 'cancel', by: 'eve', at: 1 }, 'changed'],
  ])('lets somebody who is no approver %s: %s', (_, verb, is) => {
    expect(decide(record({ terms: { approvers: ['ada'] } }), verb)).toMatchObject({ is })
  })

  it('keeps the votes until there are as many as the quorum', () => {
    const first = decide(record({ terms: { quorum: 2 } }), yes('ada'))
    expect(first).toMatchObject({ is: 'changed', record: { state: { is: 'pending' }, votes: [{ by: 'ada' }] } })
    const { record: voted } = first as typeof first & { is: 'changed' }
    expect(decide(voted, yes('ada'))).toEqual({ is: 'unchanged' })
    expect(decide(voted, yes('bob'))).toMatchObject({ record: { state: { is: 'approved', decision: { by: 'bob' } } } })
  })

  it('lets one no outweigh the votes before it', () => {
    const { record: voted } = decide(record({ terms: { quorum: 2 } }), yes('ada')) as never as { record: never }
    expect(decide(voted, { do: 'deny', by: 'bob', at: 1 })).toMatchObject({ record: { state: { is: 'denied' } } })
  })

  it('counts a yes with an edit as the first one to what was edited', () => {
    const { record: voted } = decide(record({ terms: { quorum: 2 } }), yes('ada')) as never as { record: never }
    const edited = decide(voted, yes('ada', { edit }))
    expect(edited).toMatchObject({
      is: 'changed',
      record: { state: { is: 'pending' }, edits: [{ ...edit, by: 'ada' }], votes: [{ edition: 0 }, { edition: 1 }] },
    })
  })
})

it.each<[RecordState['is'], boolean]>([
  ['pending', false],
  ['approved', false],
  ['running', false],
  ['denied', true],
  ['cancelled', true],
  ['expired', true],
  ['succeeded', true],
  ['interrupted', true],
])('takes what is %s for settled: %s', (is, settled) => {
  expect(isFinal({ is } as RecordState)).toBe(settled)
})

it.each([
  ['none', true],
  ['retry', false],
  ['unknown', false],
] as const)('takes a failure after which comes %s for settled: %s', (next, settled) => {
  expect(isFinal({ is: 'failed', next } as RecordState)).toBe(settled)
})
