import { createBus } from '@buslane/core'
import { memoryPersistence } from '@buslane/persistence-memory'
import { resilience, type ResilienceOptions } from '../../src/index.ts'
import { type GuardedBus, keeping } from './guarded-bus.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface StoredBus extends GuardedBus {
  readonly persistence: ReturnType<typeof memoryPersistence>
}

/** A bus with a guard and a store in memory, all by the same clock. */
export const storedBus = async (options: ResilienceOptions = {}): Promise<StoredBus> => {
  const clock = new VirtualClock()
  const guard = resilience({ random: () => 0.5, ...options })
  const persistence = memoryPersistence({ clock })
  const logged: string[] = []
  const bus = createBus({ clock, logger: keeping(logged), plugins: [guard], persistence })
  await bus.start()
  return { bus, guard, clock, persistence, logged }
}
