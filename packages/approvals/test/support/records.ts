import type { ApprovalRecord } from '../../src/record.ts'

export const decision = { by: 'ada', at: 0 } as const

/** A record that is pending, for everybody to decide, unless it is said otherwise. */
export const record = ({
  terms,
  ...more
}: Partial<Omit<ApprovalRecord, 'terms'>> & {
  readonly terms?: Partial<ApprovalRecord['terms']>
} = {}): ApprovalRecord => ({
  format: 1,
  message: {
    kind: 'command',
    id: 'a',
    type: 'order.refund',
    version: 1,
    sessionId: 'BUS',
    payload: '{"n":1}',
    headers: '{"timestamp":0,"correlationId":"c"}',
  },
  edits: [],
  votes: [],
  state: { is: 'pending' },
  terms: { expiresInMs: undefined, approvers: undefined, quorum: 1, onCrash: 'fail', ...terms },
  ...more,
})
