import type { ClaimPool } from './claim-pool.ts'
import { LazyHeap } from './lazy-heap.ts'
import { beforeInLane, type Offer, type Row, stillWaits, type Waiting } from './stored-row.ts'

/** The events of one named lane that are due. Exists only while there are any. */
export class Lane {
  readonly name: string
  /** The worker that has events of it: nobody else gets any. */
  holder: string | undefined
  readonly held: Set<Row> = new Set()
  /** How many of its events wait to be tried again; nothing of it starts meanwhile. */
  retries = 0
  readonly ready: LazyHeap<Waiting> = new LazyHeap(beforeInLane, stillWaits)
  /** Its head, where that can be claimed. */
  offer: Offer | undefined
  pool: ClaimPool | undefined

  constructor(name: string) {
    this.name = name
  }

  get isEmpty(): boolean {
    return this.held.size === 0 && this.retries === 0 && this.ready.peek() === undefined
  }

  /** Whether an event with a higher order key is held: it may have begun, so one with this key is not recorded as started ahead of time. */
  holdsLater(orderKey: number): boolean {
    for (const row of this.held) if (row.orderKey > orderKey) return true
    return false
  }

  /** Whether what waits first goes before an event that is held and has not been started. */
  get isOvertaken(): boolean {
    const head = this.ready.peek()
    if (!head) return false
    for (const row of this.held) {
      const { place } = row
      if (place.state !== 'running' || place.started) continue
      if (beforeInLane(head, { row, place, begun: row.begun, orderKey: row.orderKey, dueAt: row.dueAt })) return true
    }
    return false
  }
}
