import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { afterAll, describe, it } from 'vitest'
import { pgliteHarness } from './support/pglite-conformance-harness.ts'

const embedded = pgliteHarness()

eventStoreConformance('PGlite', embedded.harness, { describe, it })
deadLetterStoreConformance('PGlite', embedded.harness, { describe, it })

afterAll(() => embedded.close())
