import { approvalStoreChecks, deadLetterStoreChecks, eventStoreChecks } from './all-checks.ts'
import type { Check, CheckFacts, CheckResult } from './check.ts'
import { expectEqual } from './expect.ts'
import type { Harness } from './harness.ts'
import { runCheck, skipReason } from './run-checks.ts'

/** What the suites need of a test runner: `describe` and `it` of Vitest, or of `node:test`. */
export interface SuiteRunner {
  readonly describe: (name: string, body: () => void) => unknown
  readonly it: (
    name: string,
    options: { readonly timeout: number; readonly skip: boolean },
    body: () => Promise<void>,
  ) => unknown
}

const TIMEOUT_MS = 120_000

/**
 * Declares a test for every check of an event store. What the harness declares absent is skipped, by name and with the
 * reason; the last test fails if a check was neither run nor skipped.
 *
 * Gives the results, which are complete when the tests have run: see `conformanceTable`.
 */
export function eventStoreConformance(name: string, harness: Harness, runner: SuiteRunner): readonly CheckResult[] {
  return suite(`${name}: event-store/1`, eventStoreChecks, harness, runner)
}

/** As {@link eventStoreConformance}, for a dead-letter store, with the event store that its letters come from. */
export function deadLetterStoreConformance(
  name: string,
  harness: Harness,
  runner: SuiteRunner,
): readonly CheckResult[] {
  return suite(`${name}: dead-letter-store/1`, deadLetterStoreChecks, harness, runner)
}

/** As {@link eventStoreConformance}, for an approval store, with the event store that it appends to. */
export function approvalStoreConformance(name: string, harness: Harness, runner: SuiteRunner): readonly CheckResult[] {
  return suite(`${name}: approval-store/1`, approvalStoreChecks, harness, runner)
}

function suite(name: string, checks: readonly Check[], harness: Harness, runner: SuiteRunner): readonly CheckResult[] {
  return declareSuite(name, runner, {
    checks,
    skipReason: (check) => skipReason(check, harness),
    run: (check) => runCheck(check, harness),
  })
}

/** What a suite is made of. */
interface SuiteParts<AnyCheck extends CheckFacts> {
  readonly checks: readonly AnyCheck[]
  readonly skipReason: (check: AnyCheck) => string | undefined
  readonly run: (check: AnyCheck) => Promise<CheckResult>
}

export function declareSuite<AnyCheck extends CheckFacts>(
  name: string,
  { describe, it }: SuiteRunner,
  { checks, skipReason, run }: SuiteParts<AnyCheck>,
): readonly CheckResult[] {
  const results: CheckResult[] = []
  describe(name, () => {
    for (const check of checks) {
      const reason = skipReason(check)
      const title = [check.id, ...check.rules, check.title].join(' ')
      if (reason !== undefined) {
        results.push({ check, status: 'skipped', reason })
        it(`${title} (${reason})`, { timeout: TIMEOUT_MS, skip: true }, () => Promise.resolve())
        continue
      }
      it(title, { timeout: TIMEOUT_MS, skip: false }, async () => {
        const result = await run(check)
        results.push(result)
        if (result.status === 'failed') throw result.error
      })
    }
    it('runs or skips every check once', { timeout: TIMEOUT_MS, skip: false }, () => {
      const ids = results.map(({ check }) => check.id)
      expectEqual('the checks that were run or skipped', ids.toSorted(), checks.map(({ id }) => id).toSorted())
      return Promise.resolve()
    })
  })
  return results
}
