import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { describe, inject, it } from 'vitest'
import { postgresHarness } from './support/conformance-harness.ts'

const connectionString = inject('connectionString')

eventStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })
deadLetterStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })
