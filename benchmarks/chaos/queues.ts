import type { DurableQueue, Servers } from '../durable/queue.ts'
import { buslane } from '../durable/queues/buslane.ts'
import { peersOf } from '../durable/sides.ts'

/** Everybody who takes part, each set up as for speed. */
export const queues = (servers: Servers): readonly DurableQueue[] => [buslane, ...peersOf(servers)]
