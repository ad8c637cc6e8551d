import type { Metadata, PayloadCodec, StoredError } from '@buslane/core'
import { fromJson } from '@buslane/core/store-runner'
import type { Decision } from './errors.ts'
import type { Kept } from './keeper.ts'
import type { RecordState, RunFacts } from './record.ts'

/** One person's yes. `counts`: it is to the payload that is there now, and not to one that was edited since. */
export interface Vote extends Decision {
  readonly counts: boolean
}

/** What somebody put in the place of the payload. */
export interface Edit<Payload = unknown> {
  readonly payload: Payload
  readonly by: string
  /** Epoch milliseconds. */
  readonly at: number
}

/** A run of the approved command. `attempt` counts from 1; times are epoch milliseconds. */
type Run = Omit<RunFacts, 'token'>

/**
 * How far an approval is. `approved`: decided, and not begun. `interrupted`: its process died while the handler ran, so nobody knows how
 * far that came. `failed` is tried again while `isFinal` is `false`.
 */
export type ApprovalState =
  | { readonly is: 'pending' }
  | { readonly is: 'denied' | 'cancelled'; readonly decision: Decision }
  | { readonly is: 'expired'; readonly at: number }
  | { readonly is: 'approved'; readonly decision: Decision }
  | ({ readonly is: 'running'; readonly decision: Decision } & Run)
  | ({ readonly is: 'interrupted'; readonly decision: Decision; readonly at: number } & Run)
  | ({ readonly is: 'succeeded'; readonly decision: Decision; readonly endedAt: number; readonly value: unknown } & Run)
  | {
      readonly is: 'failed'
      readonly decision: Decision
      /** How often it ran: 0 if it was given up before it began. */
      readonly attempt: number
      readonly endedAt: number
      readonly error: StoredError
      readonly isFinal: boolean
    }

/** A command that needs a person's yes, and all that is known about it. Times are epoch milliseconds of the store's clock. */
export interface Approval<Payload = unknown> {
  readonly id: string
  /** Of the command. */
  readonly type: string
  readonly version: number
  readonly sessionId: string
  readonly correlationId: string
  readonly causationId: string | undefined
  readonly metadata: Metadata
  /** What the handler gets, once it is parsed: edited, if somebody did. */
  readonly payload: Payload
  /** As it was when it was asked for. */
  readonly original: Payload
  readonly edits: readonly Edit<Payload>[]
  readonly requestedAt: number
  /** `undefined`: never. */
  readonly expiresAt: number | undefined
  /** `undefined`: everybody may decide. */
  readonly approvers: readonly string[] | undefined
  /** How many must say yes. */
  readonly quorum: number
  readonly votes: readonly Vote[]
  readonly onCrash: 'retry' | 'fail'
  readonly state: ApprovalState
}

interface Headers {
  readonly correlationId: string
  readonly causationId?: string
  readonly metadata?: Metadata
}

/** What people are shown of what is kept. */
export const readApproval = ({ record, addedAt }: Kept, codec: PayloadCodec | undefined): Approval => {
  const { message, terms, edits, votes, state } = record
  const { correlationId, causationId, metadata = {} } = fromJson(message.headers) as Headers
  const { expiresInMs, approvers, quorum, onCrash } = terms
  const decode = (text: string): unknown => (codec ? codec.decode(text) : fromJson(text))
  const last = edits.at(-1)
  return {
    id: message.id,
    type: message.type,
    version: last?.version ?? message.version,
    sessionId: message.sessionId,
    correlationId,
    causationId,
    metadata,
    payload: decode(last?.payload ?? message.payload),
    original: decode(message.payload),
    edits: edits.map(({ payload, by, at }) => ({ payload: decode(payload), by, at })),
    requestedAt: addedAt,
    expiresAt: expiresInMs === undefined ? undefined : addedAt + expiresInMs,
    approvers,
    quorum,
    votes: votes.map(({ edition, ...decision }) => ({ ...decision, counts: edition === edits.length })),
    onCrash,
    state: readState(state),
  }
}

const readState = (state: RecordState): ApprovalState => {
  switch (state.is) {
    case 'running':
      return { is: 'running', decision: state.decision, ...runOf(state.run) }
    case 'interrupted':
      return { is: 'interrupted', decision: state.decision, at: state.at, ...runOf(state.run) }
    case 'succeeded': {
      const { decision, endedAt, value, run } = state
      return {
        is: 'succeeded',
        decision,
        endedAt,
        value: value === undefined ? undefined : fromJson(value),
        ...runOf(run),
      }
    }
    case 'failed': {
      const { decision, endedAt, error, next, run } = state
      return { is: 'failed', decision, endedAt, error, isFinal: next === 'none', attempt: run?.attempt ?? 0 }
    }
    case 'pending':
    case 'approved':
    case 'denied':
    case 'cancelled':
    case 'expired':
      return state
  }
}

const runOf = ({ attempt, startedAt }: RunFacts): Run => ({ attempt, startedAt })
