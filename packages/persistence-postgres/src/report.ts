import type { Lease, Progress, Report, Reported } from '@buslane/core'
import { type RawBuilder, sql } from 'kysely'
import type { StoreContext } from './context.ts'
import { buryStatement } from './bury.ts'
import { completeStatement, keyIn, type ReportedRow, updateStatement } from './report-statement.ts'
import { isKey, isUuid } from './ids.ts'
import { runIn } from './transaction.ts'

type Dead = Report & { readonly kind: 'dead' }

/**
 * Applies reports in as few statements as their kinds allow, each a transaction of its own. Reports of one event go one after
 * another, in the order of the request.
 */
export const report = async (context: StoreContext, reports: readonly Report[]): Promise<readonly Reported[]> => {
  const answers: Reported[] = reports.map(() => LOST)
  for (const round of rounds(reports)) await reportRound(context, round, answers)
  if (reports.some(({ kind }) => kind === 'release')) context.hint()
  return answers
}

const OK: Reported = { status: 'ok' }
const SKIPPED: Reported = { status: 'ok', skipped: true }
const OVERTAKEN: Reported = { status: 'ok', overtaken: true }
const LOST: Reported = { status: 'lost' }

interface Numbered<Kind extends Report = Report> {
  readonly report: Kind
  readonly index: number
}

/** The n-th reports of their events: a statement changes no row twice. Almost always there is one round. */
const rounds = (reports: readonly Report[]): readonly (readonly Numbered[])[] => {
  const seen = new Map<string, number>()
  const all: Numbered[][] = []
  reports.forEach((report, index) => {
    // What is no key of ours is no event of ours: asking would be an error of the whole statement.
    if (!isLease(report.lease)) return
    const nth = seen.get(report.lease.key) ?? 0
    seen.set(report.lease.key, nth + 1)
    ;(all[nth] ??= []).push({ report, index })
  })
  return all
}

const reportRound = async (context: StoreContext, round: readonly Numbered[], answers: Reported[]): Promise<void> => {
  const { db, config } = context
  const completed = round.filter(({ report }) => report.kind === 'complete')
  const dead = round.filter((item): item is Numbered<Dead> => config.deadLetters && item.report.kind === 'dead')
  const mayBeLocked = round.filter(({ report }) => report.kind === 'progress' && report.skipLocked === true)
  const others = round.filter(
    ({ report }) =>
      report.kind !== 'complete' &&
      !(config.deadLetters && report.kind === 'dead') &&
      !(report.kind === 'progress' && report.skipLocked === true),
  )
  const apply = async (items: readonly Numbered[], statement: RawBuilder<ReportedRow>): Promise<void> => {
    const [row] = await db.run(statement)
    const applied = new Set(row?.keys?.split(' '))
    const overtaken = new Set(row?.overtaken?.split(' '))
    for (const { report, index } of items) {
      const { key } = report.lease
      if (applied.has(key)) answers[index] = overtaken.has(key) ? OVERTAKEN : OK
    }
    context.settled += applied.size
    context.turned += applied.size
  }
  // First: the start of an event shares the batch with the end of the one before it in its lane, and must not be written without that.
  if (completed.length > 0)
    await apply(
      completed,
      completeStatement(
        context,
        completed.map(({ report }) => report.lease),
      ),
    )
  if (others.length > 0)
    await apply(
      others,
      updateStatement(
        context,
        others.map(({ report }) => report),
      ),
    )
  if (mayBeLocked.length > 0) {
    const reports = mayBeLocked.map(({ report }) => report)
    await apply(mayBeLocked, updateStatement(context, reports, true))
    await findSkipped(context, mayBeLocked, answers)
  }
  if (dead.length > 0) {
    const letters = dead.map(({ report: { lease, reason, progress, error } }) => ({
      ...lease,
      reason: String(reason),
      progress,
      error,
    }))
    await apply(dead, buryStatement(context, letters))
  }
}

/** Of those that were not applied: which are leased as they were, so that somebody must have locked them. */
const findSkipped = async ({ db }: StoreContext, round: readonly Numbered[], answers: Reported[]): Promise<void> => {
  const open = round.filter(({ index }) => answers[index] === LOST)
  if (open.length === 0) return
  const rows = await db.run(sql<Lease>`
    select key::text as key, token::text as token from ${db.events} e
    where ${keyIn(open.map(({ report }) => report.lease.key))} and state = 'running'`)
  const tokens = new Map(rows.map(({ key, token }) => [key, token]))
  for (const { report, index } of open) {
    if (tokens.get(report.lease.key) === report.lease.token.toLowerCase()) answers[index] = SKIPPED
  }
}

/**
 * Writes in the caller's transaction that a handler is done. The event's row stays locked until that ends: nobody else can take the
 * event meanwhile, and its other reports wait.
 */
export const completeIn = async (
  { db }: StoreContext,
  transaction: unknown,
  { lease, handler, attempts }: { readonly lease: Lease; readonly handler: string; readonly attempts: number },
): Promise<'ok' | 'lost'> => {
  const run = runIn(db, transaction)
  if (!isLease(lease)) return 'lost'
  const [row] = await run(sql<{ progress: string | null }>`
    select progress from ${db.events}
    where key = ${lease.key}::bigint and token = ${lease.token}::uuid
    for update`)
  if (!row) return 'lost'
  const before = (row.progress === null ? {} : JSON.parse(row.progress)) as Progress
  // It has committed before, and is tried again because it threw after that: its work must not be committed twice.
  if (before[handler]?.status === 'done') return 'lost'
  const progress: Progress = { ...before, [handler]: { ...before[handler], status: 'done', attempts } }
  await run(sql`
    update ${db.events} set progress = ${JSON.stringify(progress)}, begun = true, unreported = 0
    where key = ${lease.key}::bigint`)
  return 'ok'
}

const isLease = ({ key, token }: Lease): boolean => isKey(key) && isUuid(token)
