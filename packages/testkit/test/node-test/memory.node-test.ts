import { describe, it } from 'node:test'
import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { memoryHarness } from '../support/memory-harness.ts'

eventStoreConformance('memory', memoryHarness(), { describe, it })
deadLetterStoreConformance('memory', memoryHarness(), { describe, it })
