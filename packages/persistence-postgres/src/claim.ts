import { randomUUID } from 'node:crypto'
import type { Claimed, ClaimedEvent, ClaimRequest, Progress } from '@buslane/core'
import { claimStatement, type ClaimRow } from './claim-statement.ts'
import type { StoreContext } from './context.ts'
import { readyDue } from './ready.ts'

/** After that many full batches of due events a claim takes what it can get, although it may not be the first in order. */
const MAX_READY_ROUNDS = 10

/** After so many claims that found no lane with work, claims leave lanes out until there is one again. */
const QUIET_CLAIMS = 16

export const claim = async (context: StoreContext, request: ClaimRequest): Promise<Claimed> => {
  let evenIfDue = false
  let lanes = context.claimsWithoutLanes < QUIET_CLAIMS
  for (;;) {
    const token = randomUUID()
    const rows = await context.db.run(claimStatement(context, request, { token, evenIfDue, lanes }))
    const facts = rows.find(({ key }) => key === null)
    if (!facts) throw new Error('a claim without an answer')
    context.claimsWithoutLanes = facts.lanes ? 0 : context.claimsWithoutLanes + 1
    const asksForLanes = facts.lanes && !lanes
    if (facts.due && !evenIfDue) {
      // Events that have come due and those of committed transactions go before others with a later order key.
      await readyDue(context, MAX_READY_ROUNDS)
      evenIfDue = true
    } else if (!asksForLanes) {
      return { events: inOrder(rows, facts.keys, token), exhausted: !facts.more, now: facts.now }
    }
    lanes ||= asksForLanes
  }
}

const inOrder = (rows: readonly ClaimRow[], keys: string | null, token: string): readonly ClaimedEvent[] => {
  const byKey = new Map(rows.map((row) => [row.key, row]))
  return (keys?.split(' ') ?? []).flatMap((key) => {
    const row = byKey.get(key)
    return row ? [claimedEvent(row, key, token)] : []
  })
}

const claimedEvent = (row: ClaimRow, key: string, token: string): ClaimedEvent => ({
  lease: { key, token },
  message: {
    kind: row.kind,
    id: row.id,
    type: row.type,
    version: row.version,
    sessionId: row.session_id,
    payload: row.payload,
    headers: row.headers,
  },
  lane: row.lane ?? undefined,
  serial: row.serial,
  priority: row.priority,
  orderKey: row.begun ? -Infinity : row.order_key,
  acceptedAt: row.base_at,
  onCrash: row.on_crash,
  idempotencyKey: row.idempotency_key ?? undefined,
  started: row.started,
  unreported: row.unreported - (row.started ? 1 : 0),
  interruptions: row.interruptions,
  handlers: row.handlers === null ? undefined : (JSON.parse(row.handlers) as readonly string[]),
  progress: row.progress === null ? {} : (JSON.parse(row.progress) as Progress),
  expired: row.expired,
  deferredSince: row.deferred_since ?? undefined,
  replays: row.replays,
})
