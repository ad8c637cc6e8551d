import { busConformance } from '@buslane/testkit/conformance'
import { describe, inject, it } from 'vitest'
import { postgresBusHarness } from './support/bus-harness.ts'

busConformance('Postgres', postgresBusHarness(inject('connectionString')), { describe, it })
