import { busConformance } from '@buslane/testkit/conformance'
import { afterAll, describe, it } from 'vitest'
import { pgliteBusHarness } from './support/bus-harness.ts'

const embedded = pgliteBusHarness()

busConformance('PGlite', embedded.harness, { describe, it })

afterAll(() => embedded.close())
