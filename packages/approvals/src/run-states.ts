import type { StoredError } from '@buslane/core'
import type { ApprovalRecord, RecordState, RunFacts } from './record.ts'

type Failed = RecordState & { readonly is: 'failed' }

/** What a run of an approved command may do. */
export type Beginning =
  | { readonly is: 'run'; readonly record: ApprovalRecord; readonly run: RunFacts }
  /** It ran before, and this came of it. */
  | { readonly is: 'done'; readonly value: string | undefined }
  /** It must not run; `record`: as it is from now on. */
  | { readonly is: 'interrupted'; readonly record: ApprovalRecord }
  | { readonly is: 'given-up'; readonly record: ApprovalRecord; readonly error: StoredError }
  | { readonly is: 'not-approved' }

/** A run that is about to begin. `before`: the token of the one before, if that was for the same claim in this process. */
export interface NextRun {
  readonly token: string
  readonly at: number
  readonly before: string | undefined
}

/**
 * Whether a stored command may run now. That it is here again says by itself that its last run did not end, or that somebody tries it
 * again. Pure.
 */
export const begin = (record: ApprovalRecord, next: NextRun): Beginning => {
  const { state, terms } = record
  switch (state.is) {
    case 'approved':
      return start(record, state, next, 1)
    case 'running':
      if (state.run.token === next.before || terms.onCrash === 'retry') return again(record, state, next)
      return {
        is: 'interrupted',
        record: { ...record, state: { is: 'interrupted', decision: state.decision, run: state.run, at: next.at } },
      }
    case 'failed':
      if (state.next !== 'unknown' || state.run?.token === next.before || terms.onCrash === 'retry')
        return again(record, state, next)
      // Its process died before anybody said that it is to be tried again.
      return { is: 'given-up', record: { ...record, state: { ...state, next: 'none' } }, error: state.error }
    case 'interrupted':
      // A person put it back.
      return again(record, state, next)
    case 'succeeded':
      return { is: 'done', value: state.value }
    case 'pending':
    case 'denied':
    case 'cancelled':
    case 'expired':
      return { is: 'not-approved' }
  }
}

/** It gave a value. `undefined`: this run says nothing any more. */
export const succeed = (
  record: ApprovalRecord,
  { token, at, value }: { readonly token: string; readonly at: number; readonly value: string | undefined },
): ApprovalRecord | undefined => {
  const { state } = record
  // A process that was only taken for dead knows better.
  if ((state.is !== 'running' && state.is !== 'interrupted') || state.run.token !== token) return undefined
  const { decision, run } = state
  return { ...record, state: { is: 'succeeded', decision, run, endedAt: at, value } }
}

/** It threw. */
export const fail = (
  record: ApprovalRecord,
  facts: { readonly token: string; readonly at: number; readonly error: StoredError; readonly next: Failed['next'] },
): ApprovalRecord | undefined => {
  const { state } = record
  const { token, at, error, next } = facts
  if ((state.is !== 'running' && state.is !== 'interrupted') || state.run.token !== token) return undefined
  const { decision, run } = state
  return { ...record, state: { is: 'failed', decision, run, endedAt: at, error, next } }
}

/** Whether it is tried again is known now. */
export const settleFailure = (
  record: ApprovalRecord,
  token: string,
  next: 'retry' | 'none',
): ApprovalRecord | undefined => {
  const { state } = record
  if (state.is !== 'failed' || state.run?.token !== token || state.next === next) return undefined
  return { ...record, state: { ...state, next } }
}

/** Its stored command went to the dead letters. */
export const bury = (
  record: ApprovalRecord,
  { at, error }: { readonly at: number; readonly error: StoredError },
): ApprovalRecord | undefined => {
  const { state } = record
  switch (state.is) {
    case 'approved':
      return {
        ...record,
        state: { is: 'failed', decision: state.decision, run: undefined, endedAt: at, error, next: 'none' },
      }
    case 'running':
      return { ...record, state: { is: 'interrupted', decision: state.decision, run: state.run, at } }
    case 'failed':
      return state.next === 'none' ? undefined : { ...record, state: { ...state, next: 'none' } }
    case 'pending':
    case 'denied':
    case 'cancelled':
    case 'expired':
    case 'succeeded':
    case 'interrupted':
      return undefined
  }
}

type Begun = RecordState & { readonly is: 'running' | 'failed' | 'interrupted' }

const again = (record: ApprovalRecord, state: Begun, next: NextRun): Beginning =>
  start(record, state, next, (state.run?.attempt ?? 0) + 1)

const start = (
  record: ApprovalRecord,
  { decision }: Begun | (RecordState & { readonly is: 'approved' }),
  { token, at }: NextRun,
  attempt: number,
): Beginning => {
  const run = { token, attempt, startedAt: at }
  return { is: 'run', run, record: { ...record, state: { is: 'running', decision, run } } }
}
