import type { StoredError, StoredMessage } from '@buslane/core'
import type { Decision } from './errors.ts'
import type { Terms } from './policy.ts'

/** One person's yes. `edition`: to the payload after so many edits. */
interface RecordedVote extends Decision {
  readonly edition: number
}

/** A payload that somebody put in the place of the original, as text. */
interface RecordedEdit {
  readonly payload: string
  readonly version: number
  readonly by: string
  readonly at: number
}

/** A run of the handler. `token`: of this run, so that a later one cannot be taken for it. */
export interface RunFacts {
  readonly token: string
  /** From 1. */
  readonly attempt: number
  readonly startedAt: number
}

/** How far an approval is: one of these, and nothing beside it. */
export type RecordState =
  | { readonly is: 'pending' }
  | { readonly is: 'denied' | 'cancelled'; readonly decision: Decision }
  | { readonly is: 'expired'; readonly at: number }
  /** Its command waits to be run. */
  | { readonly is: 'approved'; readonly decision: Decision }
  | { readonly is: 'running'; readonly decision: Decision; readonly run: RunFacts }
  | {
      readonly is: 'succeeded'
      readonly decision: Decision
      readonly run: RunFacts
      readonly endedAt: number
      /** As JSON; `undefined`: it cannot be kept as that. */
      readonly value: string | undefined
    }
  | {
      readonly is: 'failed'
      readonly decision: Decision
      /** `undefined`: it was given up before it began. */
      readonly run: RunFacts | undefined
      readonly endedAt: number
      readonly error: StoredError
      /** Whether it is tried again. `unknown`: nobody has said so yet. */
      readonly next: 'retry' | 'none' | 'unknown'
    }
  /** Its process died while it ran. */
  | { readonly is: 'interrupted'; readonly decision: Decision; readonly run: RunFacts; readonly at: number }

/** All that is kept of an approval. */
export interface ApprovalRecord {
  readonly format: 1
  /** The command as it was given, with the id of the approval. */
  readonly message: StoredMessage
  readonly terms: Terms
  readonly edits: readonly RecordedEdit[]
  readonly votes: readonly RecordedVote[]
  readonly state: RecordState
}

export const newRecord = (message: StoredMessage, terms: Terms, state: RecordState): ApprovalRecord => ({
  format: 1,
  message,
  terms,
  edits: [],
  votes: [],
  state,
})

/** The command that runs: edited, if it was. */
export const commandToRun = ({ message, edits }: ApprovalRecord): StoredMessage => {
  const last = edits.at(-1)
  return last ? { ...message, payload: last.payload, version: last.version } : message
}

/** Whether nothing more will come of it by itself. */
export const isFinal = ({ is, ...facts }: RecordState): boolean => {
  if (is === 'failed') return (facts as { readonly next: string }).next === 'none'
  return is !== 'pending' && is !== 'approved' && is !== 'running'
}
