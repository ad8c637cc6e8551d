import type { CheckResult } from '../check.ts'
import { CheckFailedError } from '../expect.ts'
import { declareSuite, type SuiteRunner } from '../suites.ts'
import { type RegistryCheck, registryChecks } from './checks.ts'
import type { RegistryExtension, RegistryHarness } from './harness.ts'
import { hasExtension, RegistrySubject } from './subject.ts'

/**
 * Declares a test for every check of a handler registry. Checks of extensions that the harness declares absent are skipped, by name
 * and with the reason. Gives the results, which are complete when the tests have run: see `conformanceTable`.
 */
export function registryConformance(
  name: string,
  harness: RegistryHarness,
  runner: SuiteRunner,
): readonly CheckResult[] {
  return declareSuite(`${name}: handler-registry/1`, runner, {
    checks: registryChecks,
    skipReason: (check) => skipReason(check, harness),
    run: (check) => Promise.resolve(runRegistryCheck(check, harness)),
  })
}

function skipReason({ needs }: RegistryCheck, { absent }: RegistryHarness): string | undefined {
  const missing = needs.filter((need) => absent?.[need] !== undefined)
  return missing.length === 0 ? undefined : missing.map((need) => `${need}: ${absent?.[need]}`).join('; ')
}

function runRegistryCheck(check: RegistryCheck, { create, absent }: RegistryHarness): CheckResult {
  try {
    const registry = create()
    for (const extension of Object.keys(absent ?? {}) as RegistryExtension[]) {
      if (hasExtension[extension](registry))
        throw new CheckFailedError(`\`${extension}\`, which is declared absent`, 'there', undefined)
    }
    check.run(new RegistrySubject(registry))
    return { check, status: 'passed' }
  } catch (error) {
    return { check, status: 'failed', error }
  }
}
