import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { afterAll, describe, it } from 'vitest'
import { pgliteHarness } from './support/pglite-conformance-harness.ts'

const { harness, close } = pgliteHarness()

eventStoreConformance('PGlite', harness, { describe, it })
deadLetterStoreConformance('PGlite', harness, { describe, it })

afterAll(close)
