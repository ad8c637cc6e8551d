import { randomUUID } from 'node:crypto'
import { BusError, type Claimed, type ClaimedEvent, type ClaimRequest, type Lease, type Progress } from '@buslane/core'
import { type ClaimedRest, claimStatement, type ClaimRow } from './claim-statement.ts'
import type { StoreContext } from './context.ts'
import { describeError } from './errors.ts'
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
    context.statements?.sized('events', facts.events_bytes)
    context.statements?.sized('lanes', facts.lanes_bytes)
    context.claimsWithoutLanes = facts.lanes ? 0 : context.claimsWithoutLanes + 1
    const asksForLanes = facts.lanes && !lanes
    if (facts.due && !evenIfDue) {
      // Events that have come due and those of committed transactions go before others with a later order key.
      await readyDue(context, MAX_READY_ROUNDS)
      evenIfDue = true
    } else if (!asksForLanes) {
      const events = inOrder(rows, facts.keys, token)
      context.turned += events.length
      return { events, exhausted: !facts.more, now: facts.now }
    }
    lanes ||= asksForLanes
  }
}

const inOrder = (rows: readonly ClaimRow[], keys: string | null, token: string): readonly ClaimedEvent[] => {
  const byKey = new Map(rows.map((row) => [row.key, row]))
  const namesOf = handlerNames()
  return (keys?.split(' ') ?? []).flatMap((key) => {
    const row = byKey.get(key)
    return row ? [claimedEvent(row, { key, token }, namesOf)] : []
  })
}

/** Reads lists of handlers: most events have that of the one before. */
const handlerNames = (): ReadNames => {
  let last: string | null = null
  let names: readonly string[] | undefined
  return (text) => {
    if (text !== last) {
      names = text === null ? undefined : (JSON.parse(text) as readonly string[])
      last = text
    }
    return names
  }
}

type ReadNames = (text: string | null) => readonly string[] | undefined

/** The lease is committed: a row that somebody has damaged must not take the others of the claim with it. */
const readable = (
  names: () => readonly string[] | undefined,
  progress: string | null,
): Pick<ClaimedEvent, 'handlers' | 'progress' | 'unreadable'> => {
  try {
    return { handlers: names(), progress: progress === null ? {} : (JSON.parse(progress) as Progress) }
  } catch (cause) {
    const text = `The row's handlers or progress are no JSON: ${describeError(cause)}`
    const unreadable = new BusError('STORE_FAILED', text, { cause, retryable: false })
    return { handlers: undefined, progress: {}, unreadable }
  }
}

const USUAL: Omit<ClaimedRest, 'unreported'> = {
  kind: 'event',
  priority: 50,
  on_crash: 'retry',
  idempotency_key: null,
  begun: false,
  interruptions: 0,
  progress: null,
  deferred_since: null,
  replays: 0,
  expired: false,
}

const claimedEvent = (row: ClaimRow, lease: Lease, namesOf: ReadNames): ClaimedEvent => {
  const started = row.started ? 1 : 0
  const rest: ClaimedRest =
    row.rest === null ? { ...USUAL, unreported: started } : (JSON.parse(row.rest) as ClaimedRest)
  return {
    lease,
    message: {
      kind: rest.kind,
      id: row.id,
      type: row.type,
      version: row.version,
      sessionId: row.session_id,
      payload: row.payload,
      headers: row.headers,
    },
    lane: row.lane ?? undefined,
    serial: row.serial,
    priority: rest.priority,
    orderKey: rest.begun ? -Infinity : row.order_key,
    acceptedAt: row.base_at,
    onCrash: rest.on_crash,
    idempotencyKey: rest.idempotency_key ?? undefined,
    started: row.started,
    unreported: rest.unreported - started,
    interruptions: rest.interruptions,
    ...readable(() => namesOf(row.handlers), rest.progress),
    expired: rest.expired,
    deferredSince: rest.deferred_since ?? undefined,
    replays: rest.replays,
  }
}
