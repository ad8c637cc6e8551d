// Runs the suites without a test runner, and puts what came of them into the README.
import { writeFileSync } from 'node:fs'
import { deadLetterStoreChecks, eventStoreChecks, runChecks } from '@buslane/testkit/conformance'
import { harness } from './harness.ts'
import { readme, readmeWith } from './table.ts'

writeFileSync(
  readme,
  readmeWith(await runChecks(eventStoreChecks, harness), await runChecks(deadLetterStoreChecks, harness)),
)
