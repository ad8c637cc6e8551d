import type { ApprovalRecord, RecordState } from './record.ts'

/** What somebody, or the clock, says about an approval. `at`: epoch milliseconds. */
export type Verb =
  | {
      readonly do: 'approve'
      readonly by: string
      readonly note?: string | undefined
      readonly at: number
      /** Instead of the payload that it has. */
      readonly edit?: { readonly payload: string; readonly version: number } | undefined
    }
  | { readonly do: 'deny'; readonly by: string; readonly note?: string | undefined; readonly at: number }
  | { readonly do: 'cancel'; readonly by: string; readonly note?: string | undefined; readonly at: number }
  | { readonly do: 'expire'; readonly at: number }

/** What comes of it. */
export type Verdict =
  | { readonly is: 'changed'; readonly record: ApprovalRecord }
  /** He has said so already. */
  | { readonly is: 'unchanged' }
  /** It is too late: somebody has decided. */
  | { readonly is: 'decided' }
  | { readonly is: 'not-allowed' }

/** The rules of deciding: one decision, by people who may, as many of them as must. Pure. */
export const decide = (record: ApprovalRecord, verb: Verb): Verdict => {
  if (record.state.is !== 'pending') return { is: 'decided' }
  const to = (state: RecordState): Verdict => ({ is: 'changed', record: { ...record, state } })
  if (verb.do === 'expire') return to({ is: 'expired', at: verb.at })
  const { by, note, at } = verb
  const decision = { by, at, ...(note !== undefined && { note }) }
  // Whoever asked may take it back, and need not be one of those who decide.
  if (verb.do === 'cancel') return to({ is: 'cancelled', decision })
  const { approvers, quorum } = record.terms
  if (approvers && !approvers.includes(by)) return { is: 'not-allowed' }
  if (verb.do === 'deny') return to({ is: 'denied', decision })
  const { edit } = verb
  const edits = edit ? [...record.edits, { ...edit, by, at }] : record.edits
  const edition = edits.length
  // A yes is one to the payload that there was: those before an edit do not count for what is there now.
  const before = record.votes.filter((vote) => vote.edition === edition)
  if (before.some((vote) => vote.by === by)) return { is: 'unchanged' }
  const votes = [...record.votes, { ...decision, edition }]
  const state: RecordState = before.length + 1 >= quorum ? { is: 'approved', decision } : record.state
  return { is: 'changed', record: { ...record, edits, votes, state } }
}
