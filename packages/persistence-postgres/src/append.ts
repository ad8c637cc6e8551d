import { type Appended, BusError, isBusError, type NewEvent } from '@buslane/core'
import { sql } from 'kysely'
import type { StoreContext } from './context.ts'
import type { Statement } from './database.ts'
import { insertEvents } from './append-statement.ts'
import { sqlState } from './errors.ts'
import { type InsertedRow, whole } from './inserted.ts'
import { type RunIn, runIn } from './transaction.ts'

/** Longer ones do not fit an index page. */
const MAX_KEY_BYTES = 1024

export const append = async (
  context: StoreContext,
  events: readonly NewEvent[],
  worker: string | undefined,
): Promise<readonly Appended[]> => {
  if (events.length === 0) return []
  for (const event of events) requireIndexable(event)
  const isForOthers = events.some(({ due, keep, mine }) => due === undefined && keep === undefined && !mine)
  const hint = isForOthers ? context.takeHint() : undefined
  // The caller, whose lease is as long, must not take a wait for somebody's transaction for a database that is away.
  const keyWaitMs = Math.max(1, Math.floor(context.config.settings.leaseMs / 2))
  const answers = await appendDistinct(
    context,
    events,
    (batch) => insertEvents(context, batch, { worker, hint, keyWaitMs }),
    async (statement) => {
      try {
        return await context.db.run(statement)
      } catch (error) {
        throw isLockTimeout(error) ? keyLocked(events, keyWaitMs, error) : error
      }
    },
  )
  const forOthers = answers.some(
    (answer, index) => answer.status === 'stored' && !answer.lease && isDue(answer) && !events[index]?.mine,
  )
  if (forOthers && !hint) context.hint()
  return answers
}

export const appendIn = async (context: StoreContext, transaction: unknown, event: NewEvent): Promise<Appended> => {
  requireIndexable(event)
  const run = runIn(context.db, transaction)
  // What is due at once tells others with the statement that stores it.
  const hint = event.due === undefined ? context.hintWithin : undefined
  const [answer] = await appendDistinct(
    context,
    [event],
    // Its lane must not be locked for as long as the caller's transaction lasts: the event waits as if it were scheduled, and
    // enters the lane when it is made ready after the commit.
    (batch) => insertEvents(context, batch, { worker: undefined, enterLater: true, hint }),
    run,
  )
  if (!answer) throw new Error('an append without an answer')
  if (answer.status === 'stored' && isDue(answer) && !hint) await context.hintIn(run)
  return answer
}

const isLockTimeout = (error: unknown): boolean => isBusError(error) && sqlState(error.cause) === '55P03'

const keyLocked = (events: readonly NewEvent[], waitedMs: number, cause: unknown): BusError => {
  const keyed = events.filter(({ idempotencyKey }) => idempotencyKey !== undefined)
  if (keyed.length === 0) return cause as BusError
  const [first] = keyed
  const what =
    keyed.length === 1
      ? `The idempotencyKey '${first!.idempotencyKey}' of '${first!.message.type}'`
      : `One of ${keyed.length} idempotency keys`
  return new BusError(
    'IDEMPOTENCY_KEY_LOCKED',
    `${what} is used by a transaction that did not end within ${waitedMs} ms. Nothing was stored. End that transaction, and publish again`,
    { cause, retryable: true },
  )
}

const isDue = (answer: Appended & { status: 'stored' }): boolean => answer.dueAt <= answer.acceptedAt

/**
 * Stores what is no duplicate. Keys that were taken are looked up in a statement of their own: whoever took one may have
 * committed after the first statement began, which therefore waited for him, but cannot see his row.
 */
const appendDistinct = async (
  context: StoreContext,
  events: readonly NewEvent[],
  statementFor: (batch: readonly NewEvent[]) => Insertion,
  run: RunIn,
): Promise<readonly Appended[]> => {
  const answers: (Appended | undefined)[] = events.map(() => undefined)
  let open = firstOfEachKey(events)
  while (open.length > 0) {
    const { statement, token } = statementFor(open.map(({ event }) => event))
    const [row] = await run(statement)
    if (!row) throw new Error('an append without an answer')
    const taken = place(open, row, token, answers)
    if (taken.length === 0) break
    const ids = await idsOf(context, run, taken)
    open = taken.filter(({ event, index }) => {
      const id = ids.get(event.idempotencyKey ?? '')
      if (id !== undefined) answers[index] = { status: 'duplicate', id }
      // The event that had the key was cancelled, or forgotten, in between: the key is free again.
      return id === undefined
    })
  }
  return events.map((event, index) => answers[index] ?? duplicateOfFirst(events, answers, event))
}

interface Insertion {
  readonly statement: Statement<InsertedRow>
  readonly token: string
}

interface Numbered {
  readonly event: NewEvent
  readonly index: number
}

const firstOfEachKey = (events: readonly NewEvent[]): readonly Numbered[] => {
  const numbered = events.map((event, index) => ({ event, index }))
  if (events.every(({ idempotencyKey }) => idempotencyKey === undefined)) return numbered
  const seen = new Set<string>()
  return numbered.filter(({ event: { idempotencyKey } }) => {
    if (idempotencyKey === undefined) return true
    if (seen.has(idempotencyKey)) return false
    seen.add(idempotencyKey)
    return true
  })
}

/** Answers come back in the order of the request, without those whose key is taken: these are returned. */
const place = (
  open: readonly Numbered[],
  { now, keys, leases, idempotency_keys }: InsertedRow,
  token: string,
  answers: (Appended | undefined)[],
): readonly Numbered[] => {
  const storedKeys = keys?.split(' ') ?? []
  const stored =
    idempotency_keys === null ? undefined : new Set(JSON.parse(idempotency_keys) as readonly (string | null)[])
  const taken: Numbered[] = []
  let next = 0
  for (const item of open) {
    const { idempotencyKey, due, orderOffsetMs, priority } = item.event
    if (idempotencyKey !== undefined && !stored?.has(idempotencyKey)) {
      taken.push(item)
      continue
    }
    const key = storedKeys[next]
    if (key === undefined) throw new Error('an append stored too few events')
    const lease = leases?.[next++]
    const dueAt = due === undefined ? now : 'at' in due ? whole(due.at) : now + whole(due.delayMs)
    answers[item.index] = {
      status: 'stored',
      key,
      acceptedAt: now,
      // As the statement calculates it.
      orderKey: orderOffsetMs === undefined ? priority : Math.max(now, dueAt) + orderOffsetMs,
      dueAt,
      lease: lease === '-' ? undefined : { key, token },
      started: lease === 's',
    }
  }
  return taken
}

const idsOf = async (
  { db }: StoreContext,
  run: RunIn,
  taken: readonly Numbered[],
): Promise<ReadonlyMap<string, string>> => {
  const keys = taken.map(({ event }) => event.idempotencyKey)
  const rows = await run(sql<{ key: string; id: string }>`
    select key, id from ${db.idempotency} where key = any(${keys}::text[])`)
  return new Map(rows.map(({ key, id }) => [key, id]))
}

const duplicateOfFirst = (
  events: readonly NewEvent[],
  answers: readonly (Appended | undefined)[],
  { idempotencyKey }: NewEvent,
): Appended => {
  const first = events.findIndex((event) => event.idempotencyKey === idempotencyKey)
  const answer = answers[first]
  const id = answer?.status === 'duplicate' ? answer.id : events[first]?.message.id
  if (id === undefined) throw new Error('a duplicate of nothing')
  return { status: 'duplicate', id }
}

/** Whatever its characters are. */
const isShort = (text: string | undefined): boolean => text === undefined || text.length <= MAX_KEY_BYTES / 3

const requireIndexable = ({ lane, idempotencyKey, message }: NewEvent): void => {
  if (isShort(lane) && isShort(idempotencyKey) && isShort(message.type)) return
  for (const [name, text] of [
    ['lane', lane],
    ['idempotencyKey', idempotencyKey],
    ['type', message.type],
  ] as const) {
    if (text === undefined || Buffer.byteLength(text) <= MAX_KEY_BYTES) continue
    throw new BusError(
      'INVALID_ARGUMENT',
      `The ${name} of '${message.type}' is longer than ${MAX_KEY_BYTES} bytes of UTF-8`,
      { retryable: false },
    )
  }
}
