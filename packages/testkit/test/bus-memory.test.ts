import { memoryPersistence } from '@buslane/persistence-memory'
import { busConformance } from '@buslane/testkit/conformance'
import { describe, it } from 'vitest'

busConformance(
  'memory',
  { open: ({ clock, leaseMs }) => memoryPersistence({ clock, settings: { leaseMs } }) },
  { describe, it },
)
