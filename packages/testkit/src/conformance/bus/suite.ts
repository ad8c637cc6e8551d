import type { SuiteRunner } from '../suites.ts'
import { Bench, type BusHarness } from './bench.ts'
import type { BusCheck } from './check.ts'
import { handlerChecks } from './handler-checks.ts'
import { handlingChecks } from './handling-checks.ts'
import { payloadChecks } from './payload-checks.ts'
import { stoppingChecks } from './stopping-checks.ts'
import { timeChecks } from './time-checks.ts'
import { troubleChecks } from './trouble-checks.ts'

/** Every check of stored events through a bus. */
const busChecks: readonly BusCheck[] = [
  ...handlingChecks,
  ...handlerChecks,
  ...payloadChecks,
  ...timeChecks,
  ...stoppingChecks,
  ...troubleChecks,
]

/** Declares a test for every rule of durable events that a bus must keep on any persistence. */
export function busConformance(name: string, harness: BusHarness, { describe, it }: SuiteRunner): void {
  describe(`${name}: durable events through a bus`, () => {
    for (const { rules, title, run } of busChecks) {
      it([...rules, title].join(' '), { timeout: 60_000, skip: false }, async () => {
        const bench = await Bench.open(harness)
        try {
          await run(bench)
        } finally {
          await bench.close()
        }
      })
    }
  })
}
