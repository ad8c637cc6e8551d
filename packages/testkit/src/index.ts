// A bus for tests
export { createTestBus, type TestBus, type TestBusOptions, type TestPersistenceOptions } from './test-bus.ts'
export type { Recorded, RecordedExecution, RecordedFailure } from './recorder.ts'

// Time
export { VirtualClock } from './virtual-clock.ts'
export type { Duration } from './duration.ts'

// Making things go differently
export { failOnce } from './fail-once.ts'
export { underSeeds } from './under-seeds.ts'
