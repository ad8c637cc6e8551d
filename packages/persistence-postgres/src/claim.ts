import { randomUUID } from 'node:crypto'
import type { Claimed, ClaimedEvent, ClaimRequest, Progress } from '@buslane/core'
import { claimStatement, type ClaimRow } from './claim-statement.ts'
import type { StoreContext } from './context.ts'
import { readyDue } from './ready.ts'

/** After that many full batches of due events a claim takes what it can get, although it may not be the first in order. */
const MAX_READY_ROUNDS = 10

export const claim = async (context: StoreContext, request: ClaimRequest): Promise<Claimed> => {
  const first = await claimReady(context, request, false)
  if (!first.due) return first.claimed
  // Events that have come due and those of committed transactions go before others with a later order key.
  await readyDue(context, MAX_READY_ROUNDS)
  return (await claimReady(context, request, true)).claimed
}

const claimReady = async (
  context: StoreContext,
  request: ClaimRequest,
  evenIfDue: boolean,
): Promise<{ readonly claimed: Claimed; readonly due: boolean }> => {
  const token = randomUUID()
  const rows = await context.db.run(claimStatement(context, request, { token, evenIfDue }))
  const [facts] = rows
  if (!facts) throw new Error('a claim without an answer')
  const byKey = new Map(rows.map((row) => [row.key, row]))
  const events = (facts.keys?.split(' ') ?? []).flatMap((key) => {
    const row = byKey.get(key)
    return row ? [claimedEvent(row, key, token)] : []
  })
  return { claimed: { events, exhausted: !facts.more, now: facts.now }, due: facts.due && !evenIfDue }
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
