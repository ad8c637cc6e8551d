import type { SuiteRunner } from '../suites.ts'
import { Bench, type BusHarness } from './bench.ts'
import { handlingChecks } from './handling-checks.ts'
import { troubleChecks } from './trouble-checks.ts'

/** Declares a test for every rule of durable events that a bus must keep on any persistence. */
export function busConformance(name: string, harness: BusHarness, { describe, it }: SuiteRunner): void {
  describe(`${name}: durable events through a bus`, () => {
    for (const { rules, title, run } of [...handlingChecks, ...troubleChecks]) {
      it([...rules, title].join(' '), { timeout: 60_000, skip: false }, async () => {
        const bench = new Bench(harness)
        try {
          await run(bench)
        } finally {
          await bench.close()
        }
      })
    }
  })
}
