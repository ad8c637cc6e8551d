import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { describe, it } from 'vitest'
import { postgresHarness } from './support/conformance-harness.ts'

const connectionString = process.env['BUSLANE_TEST_POSTGRES'] ?? 'postgres://postgres@127.0.0.1:5432/test'

eventStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })
deadLetterStoreConformance('Postgres', postgresHarness(connectionString), { describe, it })
