// Run the suites
export {
  approvalStoreConformance,
  deadLetterStoreConformance,
  eventStoreConformance,
  type SuiteRunner,
} from './suites.ts'
export { approvalStoreChecks, deadLetterStoreChecks, eventStoreChecks } from './all-checks.ts'
export { runChecks } from './run-checks.ts'
export { conformanceSummary, conformanceTable } from './table.ts'
export { busConformance } from './bus/suite.ts'
export { registryConformance } from './registry/suite.ts'

// Give them an adapter
export type { BusHarness } from './bus/bench.ts'
export type { StoreWithClock } from './bus/in-step.ts'
export type { RegistryExtension, RegistryHarness } from './registry/harness.ts'
export type { Capability, Harness, OpenOptions, OpenStore, OpenTransaction } from './harness.ts'

// For tests of its own
export { PLAIN_EVENT } from './sketches.ts'

// What comes out
export type { Check, CheckContext, CheckFacts, CheckResult } from './check.ts'
export { CheckFailedError } from './expect.ts'
