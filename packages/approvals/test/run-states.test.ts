import { describe, expect, it } from 'vitest'
import type { ApprovalRecord, RecordState } from '../src/record.ts'
import { begin, bury, fail, settleFailure, succeed } from '../src/run-states.ts'
import { decision, record } from './support/records.ts'

const run = { token: 'old', attempt: 1, startedAt: 0 }
const error = { name: 'Error', message: 'no', failedAt: 0 }
const running: RecordState = { is: 'running', decision, run }
const interrupted: RecordState = { is: 'interrupted', decision, run, at: 1 }
const succeeded: RecordState = { is: 'succeeded', decision, run, endedAt: 1, value: '1' }
const failed = (next: 'retry' | 'none' | 'unknown'): RecordState => ({
  is: 'failed',
  decision,
  run,
  endedAt: 1,
  error,
  next,
})

describe('begin', () => {
  type OnCrash = 'retry' | 'fail'
  interface Case {
    readonly of: string
    readonly state: RecordState
    readonly onCrash: OnCrash
    readonly before?: string
    readonly isFresh?: boolean
    readonly is: string
    readonly becomes: RecordState['is'] | undefined
  }
  const cases: readonly Case[] = [
    { of: 'what is approved', state: { is: 'approved', decision }, onCrash: 'fail', is: 'run', becomes: 'running' },
    { of: 'an interrupted run', state: running, onCrash: 'fail', is: 'interrupted', becomes: 'interrupted' },
    {
      of: 'one that a stop gave back',
      state: running,
      onCrash: 'fail',
      isFresh: true,
      is: 'interrupted',
      becomes: 'interrupted',
    },
    { of: 'one that may be repeated', state: running, onCrash: 'retry', is: 'run', becomes: 'running' },
    { of: 'one that timed out here', state: running, onCrash: 'fail', before: 'old', is: 'run', becomes: 'running' },
    { of: 'a retry elsewhere', state: failed('retry'), onCrash: 'fail', is: 'run', becomes: 'running' },
    { of: 'a retry here', state: failed('unknown'), onCrash: 'fail', before: 'old', is: 'run', becomes: 'running' },
    {
      of: 'a failure whose process died',
      state: failed('unknown'),
      onCrash: 'fail',
      is: 'given-up',
      becomes: 'failed',
    },
    { of: 'one that may be repeated', state: failed('unknown'), onCrash: 'retry', is: 'run', becomes: 'running' },
    {
      of: 'a last failure whose process died',
      state: failed('none'),
      onCrash: 'retry',
      is: 'given-up',
      becomes: undefined,
    },
    {
      of: 'one that a person put back',
      state: failed('none'),
      onCrash: 'fail',
      isFresh: true,
      is: 'run',
      becomes: 'running',
    },
    {
      of: 'what is known to be interrupted',
      state: interrupted,
      onCrash: 'fail',
      is: 'interrupted',
      becomes: undefined,
    },
    {
      of: 'that, which a person put back',
      state: interrupted,
      onCrash: 'fail',
      isFresh: true,
      is: 'run',
      becomes: 'running',
    },
    { of: 'what has run', state: succeeded, onCrash: 'retry', is: 'done', becomes: undefined },
    { of: 'what is pending', state: { is: 'pending' }, onCrash: 'retry', is: 'not-approved', becomes: undefined },
    {
      of: 'what was denied',
      state: { is: 'denied', decision },
      onCrash: 'retry',
      is: 'not-approved',
      becomes: undefined,
    },
    {
      of: 'what was cancelled',
      state: { is: 'cancelled', decision },
      onCrash: 'retry',
      is: 'not-approved',
      becomes: undefined,
    },
    { of: 'what expired', state: { is: 'expired', at: 1 }, onCrash: 'retry', is: 'not-approved', becomes: undefined },
  ]
  it.each(cases)(
    'R-DUR-11 of $of, onCrash: $onCrash, is $is',
    ({ state, onCrash, before, isFresh = false, is, becomes }) => {
      const beginning = begin(record({ state, terms: { onCrash } }), { token: 'new', at: 2, before, isFresh })
      expect(beginning.is).toBe(is)
      expect('record' in beginning ? beginning.record?.state.is : undefined).toBe(becomes)
    },
  )

  it('goes on with a run that was written down though the answer was lost', () => {
    const beginning = begin(record({ state: running }), { token: 'old', at: 2, before: undefined, isFresh: false })
    expect(beginning).toEqual({ is: 'run', record: undefined })
  })

  it('counts the attempts', () => {
    const next = { token: 'new', at: 2, before: undefined, isFresh: false }
    expect(begin(record({ state: failed('retry') }), next)).toMatchObject({
      record: { state: { run: { token: 'new', attempt: 2, startedAt: 2 } } },
    })
  })

  it('gives up with the error that there was', () => {
    const next = { token: 'new', at: 2, before: undefined, isFresh: false }
    expect(begin(record({ state: failed('unknown') }), next)).toMatchObject({
      is: 'given-up',
      error,
      record: { state: { is: 'failed', next: 'none' } },
    })
  })
})

const stateOf = (found: ApprovalRecord | undefined): unknown => found?.state

describe('what a run says', () => {
  it.each<[string, RecordState]>([
    ['while it runs', running],
    ['after it was taken for dead', interrupted],
  ])('counts %s', (_, state) => {
    expect(stateOf(succeed(record({ state }), { token: 'old', at: 3, value: '1' }))).toMatchObject({
      is: 'succeeded',
      value: '1',
      endedAt: 3,
    })
    expect(stateOf(fail(record({ state }), { token: 'old', at: 3, error, next: 'unknown' }))).toMatchObject({
      is: 'failed',
      error,
      next: 'unknown',
    })
  })

  it.each<[string, RecordState, string]>([
    ['of another run', running, 'other'],
    ['when it has ended', succeeded, 'old'],
    ['when it has failed', failed('none'), 'old'],
    ['when nobody approved it', { is: 'pending' }, 'old'],
  ])('does not count %s', (_, state, token) => {
    expect(succeed(record({ state }), { token, at: 3, value: '1' })).toBeUndefined()
    expect(fail(record({ state }), { token, at: 3, error, next: 'none' })).toBeUndefined()
  })
})

it.each<[string, RecordState, string, 'retry' | 'none', RecordState | undefined]>([
  ['that it is tried again', failed('unknown'), 'old', 'retry', failed('retry')],
  ['that it is not', failed('unknown'), 'old', 'none', failed('none')],
  ['nothing of another run', failed('unknown'), 'other', 'none', undefined],
  ['nothing twice', failed('none'), 'old', 'none', undefined],
  ['nothing of what runs', running, 'old', 'none', undefined],
])('says %s of a failure', (_, state, token, next, expected) => {
  expect(stateOf(settleFailure(record({ state }), token, next))).toEqual(expected)
})

it.each<[RecordState['is'], RecordState, RecordState['is'] | undefined]>([
  ['approved', { is: 'approved', decision }, 'failed'],
  ['running', running, 'interrupted'],
  ['failed', failed('unknown'), 'failed'],
  ['failed', failed('none'), undefined],
  ['succeeded', succeeded, undefined],
  ['interrupted', interrupted, undefined],
  ['pending', { is: 'pending' }, undefined],
  ['denied', { is: 'denied', decision }, undefined],
  ['cancelled', { is: 'cancelled', decision }, undefined],
  ['expired', { is: 'expired', at: 0 }, undefined],
])('of what is %s and goes to the dead letters', (_, state, becomes) => {
  expect(bury(record({ state }), { at: 2, error })?.state.is).toBe(becomes)
})
