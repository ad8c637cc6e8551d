import type { EventMessage } from '@buslane/core'
import { fromJson } from '@buslane/core/store-runner'
import {
  ApprovalCancelled,
  ApprovalDenied,
  type ApprovalEventPayload,
  ApprovalExpired,
  ApprovalGranted,
  ApprovalRequested,
} from './events.ts'
import type { Consequence } from './keeper.ts'
import { type ApprovalRecord, commandToRun } from './record.ts'

/** What follows when an approval has come into this state. `was`: the state before; `undefined`: it is new. Pure but for ids of events. */
export const consequencesOf = (
  record: ApprovalRecord,
  was: ApprovalRecord['state']['is'] | undefined,
): readonly Consequence[] => {
  const { state, terms } = record
  if (state.is === was) return []
  switch (state.is) {
    case 'pending': {
      const { expiresInMs, approvers, quorum } = terms
      const facts = { expiresInMs, approvers, quorum }
      const asked: Consequence = { is: 'tell', event: about(record, ApprovalRequested, facts) }
      return expiresInMs === undefined
        ? [asked]
        : [{ is: 'expire', approvalId: record.message.id, afterMs: expiresInMs }, asked]
    }
    case 'approved':
      return [
        { is: 'run', command: commandToRun(record) },
        { is: 'tell', event: about(record, ApprovalGranted, saidBy(state)) },
      ]
    case 'denied':
      return [{ is: 'tell', event: about(record, ApprovalDenied, saidBy(state)) }]
    case 'cancelled':
      return [{ is: 'tell', event: about(record, ApprovalCancelled, saidBy(state)) }]
    case 'expired':
      return [{ is: 'tell', event: about(record, ApprovalExpired, {}) }]
    case 'running':
    case 'succeeded':
    case 'failed':
    case 'interrupted':
      return []
  }
}

type MakeEvent<Facts> = (
  payload: ApprovalEventPayload & Facts,
  options: { sessionId: string; correlationId: string; causationId: string },
) => EventMessage

/** Part of the conversation that the command belongs to. */
const about = <Facts>({ message }: ApprovalRecord, make: MakeEvent<Facts>, facts: Facts): EventMessage => {
  const { id: approvalId, type: commandType, sessionId, headers } = message
  const { correlationId } = fromJson(headers) as { readonly correlationId: string }
  return make({ approvalId, commandType, sessionId, ...facts }, { sessionId, correlationId, causationId: approvalId })
}

const saidBy = ({ decision: { by, note } }: { readonly decision: { by: string; note?: string | undefined } }) => ({
  by,
  note,
})
