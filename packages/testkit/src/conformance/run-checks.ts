import type { Check, CheckResult } from './check.ts'
import { CheckFailedError } from './expect.ts'
import type { Capability, Harness, OpenOptions, OpenStore } from './harness.ts'
import { Subject } from './subject.ts'

/** Long enough that a check's own work never uses up a lease on a store with a real clock. */
const SETTINGS: OpenOptions = { leaseMs: 120_000, idempotencyRetentionMs: 7 * 24 * 3_600_000, deadLetters: true }
const MOST_SLACK_MS = 20_000

/**
 * Runs checks one after another, without a test runner: for a script that writes the table of an adapter's README. In
 * tests use {@link eventStoreConformance} and {@link deadLetterStoreConformance}. *Failure*: never rejects; a check that
 * fails is a result.
 */
export async function runChecks(checks: readonly Check[], harness: Harness): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  for (const check of checks) results.push(await runCheck(check, harness))
  return results
}

export async function runCheck(check: Check, harness: Harness): Promise<CheckResult> {
  const reason = skipReason(check, harness)
  if (reason !== undefined) return { check, status: 'skipped', reason }
  const opened: Opened[] = []
  const result = await outcomeOf(check, () => runOn(check, harness, opened))
  for (const one of opened) {
    const closed = await outcomeOf(check, () => closeBoth(one))
    if (closed.status === 'failed' && result.status === 'passed') return closed
  }
  return result
}

/** A store that was opened for a check, and must be closed after it. */
interface Opened {
  readonly store: OpenStore
  readonly subject: Subject
}

async function runOn(check: Check, harness: Harness, opened: Opened[]): Promise<void> {
  await check.run({
    open: async (options) => {
      const store = await harness.open({ ...SETTINGS, ...options })
      const subject = new Subject(store, slackOf(harness))
      opened.push({ store, subject })
      requireDeclared(check, harness, store)
      return await subject.open()
    },
  })
}

async function outcomeOf(check: Check, action: () => Promise<void>): Promise<CheckResult> {
  try {
    await action()
    return { check, status: 'passed' }
  } catch (error) {
    return { check, status: 'failed', error }
  }
}

/** Why the harness cannot take part in a check. */
export function skipReason({ needs }: Check, { absent }: Harness): string | undefined {
  const missing = needs.filter((need) => absent?.[need] !== undefined)
  if (missing.length === 0) return undefined
  return missing.map((need) => `${need}: ${absent?.[need]}`).join('; ')
}

/** What is not declared absent is promised: a harness cannot get around a check by leaving something out. */
function requireDeclared({ needs }: Check, { absent }: Harness, store: OpenStore): void {
  for (const need of needs) {
    if (!offers(store, need))
      throw new CheckFailedError(`what the check needs, \`${need}\`, which is not declared absent`, undefined, 'there')
  }
  for (const capability of Object.keys(absent ?? {}) as Capability[]) {
    if (provable(capability) && offers(store, capability))
      throw new CheckFailedError(`\`${capability}\`, which is declared absent`, 'there', undefined)
  }
}

/** Whether a store that offers a capability can be seen to. */
const provable = (capability: Capability): boolean =>
  capability !== 'without-dead-letters' && capability !== 'time-zones'

function offers(store: OpenStore, capability: Capability): boolean {
  const { deadLetters, inspect, events, approvals } = store.persistence
  switch (capability) {
    case 'dead-letters':
      return deadLetters !== undefined
    case 'approvals':
      return approvals !== undefined
    case 'inspect':
      return inspect !== undefined
    case 'connections':
    case 'time-zones':
      return store.connect !== undefined
    case 'restart':
      return store.restart !== undefined
    case 'transactions':
      return store.begin !== undefined && events?.appendIn !== undefined && events.completeIn !== undefined
    case 'own-clock':
      return store.skewProcessClock !== undefined
    case 'without-dead-letters':
      return true
  }
}

function slackOf({ slackMs = 0 }: Harness): number {
  if (slackMs >= 0 && slackMs <= MOST_SLACK_MS) return slackMs
  throw new CheckFailedError('`slackMs` of the harness', slackMs, `0 to ${MOST_SLACK_MS}`)
}

async function closeBoth({ subject, store }: Opened): Promise<void> {
  try {
    await subject.close()
  } finally {
    await store.close()
  }
}
