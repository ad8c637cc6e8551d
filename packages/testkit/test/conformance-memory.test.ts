import { deadLetterStoreConformance, eventStoreConformance } from '@buslane/testkit/conformance'
import { describe, it } from 'vitest'
import { memoryHarness } from './support/memory-harness.ts'

eventStoreConformance('memory', memoryHarness(), { describe, it })
deadLetterStoreConformance('memory', memoryHarness(), { describe, it })
