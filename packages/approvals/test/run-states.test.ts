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
  it.each<[string, RecordState, OnCrash, string | undefined, string, RecordState['is'] | undefined]>([
    ['what is approved', { is: 'approved', decision }, 'fail', undefined, 'run', 'running'],
    ['what was interrupted, and may not run twice', running, 'fail', undefined, 'interrupted', 'interrupted'],
    ['what was interrupted, and may run twice', running, 'retry', undefined, 'run', 'running'],
    ['what timed out here, and is tried again', running, 'fail', 'old', 'run', 'running'],
    ['what failed, and is tried again elsewhere', failed('retry'), 'fail', undefined, 'run', 'running'],
    ['what failed, and is tried again here', failed('unknown'), 'fail', 'old', 'run', 'running'],
    ['what failed before its process died', failed('unknown'), 'fail', undefined, 'given-up', 'failed'],
    ['what failed before its process died, and may run twice', failed('unknown'), 'retry', undefined, 'run', 'running'],
    ['what failed for good, and a person put back', failed('none'), 'fail', undefined, 'run', 'running'],
    ['what was interrupted, and a person put back', interrupted, 'fail', undefined, 'run', 'running'],
    ['what has run', succeeded, 'retry', undefined, 'done', undefined],
    ['what nobody has approved', { is: 'pending' }, 'retry', undefined, 'not-approved', undefined],
    ['what was denied', { is: 'denied', decision }, 'retry', undefined, 'not-approved', undefined],
    ['what was cancelled', { is: 'cancelled', decision }, 'retry', undefined, 'not-approved', undefined],
    ['what expired', { is: 'expired', at: 1 }, 'retry', undefined, 'not-approved', undefined],
  ])('R-DUR-11 of %s', (_, state, onCrash, before, is, becomes) => {
    const beginning = begin(record({ state, terms: { onCrash } }), { token: 'new', at: 2, before })
    expect(beginning.is).toBe(is)
    expect('record' in beginning ? beginning.record.state.is : undefined).toBe(becomes)
  })

  it('counts the attempts', () => {
    const beginning = begin(record({ state: failed('retry') }), { token: 'new', at: 2, before: undefined })
    expect(beginning).toMatchObject({ run: { token: 'new', attempt: 2, startedAt: 2 } })
  })

  it('gives up with the error that there was', () => {
    expect(begin(record({ state: failed('unknown') }), { token: 'new', at: 2, before: undefined })).toMatchObject({
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
