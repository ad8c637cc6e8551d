export {
  type EventLogOptions,
  memoryPersistence,
  type MemoryPersistence,
  type MemoryPersistenceOptions,
} from './memory-persistence.ts'
export { memoryTransaction, type MemoryTransaction } from './transaction.ts'
export type { MemorySnapshot } from './snapshot.ts'
