import type { ClaimType, StoredState } from '@buslane/core'
import { ClaimPool, typeKeyOf } from './claim-pool.ts'
import { Lane } from './lane.ts'
import { LazyHeap } from './lazy-heap.ts'
import { OrderedEntries } from './ordered-entries.ts'
import { beforeByDue, type Offer, type Place, type Row, stillWaits, type Waiting, waitingAt } from './stored-row.ts'
import type { Worker } from './worker.ts'

/**
 * The events, and every index of them. `put`, `move` and `remove` are the only ways to change where an event is, and keep
 * the indexes with it.
 */
export class EventTable {
  readonly rows: OrderedEntries<Row> = new OrderedEntries()
  readonly workers: Map<string, Worker> = new Map()
  readonly lanes: Map<string, Lane> = new Map()
  /** What any worker may claim. */
  readonly common: ClaimPool = new ClaimPool()
  readonly counts: Record<StoredState, number> = {
    scheduled: 0,
    ready: 0,
    running: 0,
    unhandled: 0,
    undecodable: 0,
    dead: 0,
  }
  /** Something can be claimed that could not, since this was last set to `false`. */
  offered = false
  readonly #due = new LazyHeap<Waiting>(beforeByDue, stillWaits)
  readonly #longestReady = new LazyHeap<Waiting>(beforeByDue, stillWaits)
  readonly #unhandled = new Map<string, Set<Row>>()

  put(row: Row, place: Place): void {
    this.rows.add(row)
    if (row.owner !== undefined) this.workers.get(row.owner)?.owned.add(row)
    this.#enter(row, place)
  }

  move(row: Row, place: Place): void {
    const lane = this.#leave(row)
    this.#enter(row, place)
    // The lane it left is the one it may have come back to; it is looked at once, when both have happened.
    if (lane) this.offerHead(lane)
  }

  remove(row: Row): void {
    const lane = this.#leave(row)
    row.place = { state: 'ready' } // no index knows this object, so none takes the row for its own
    this.rows.delete(row.key)
    if (row.owner !== undefined) this.workers.get(row.owner)?.owned.delete(row)
    if (lane) this.offerHead(lane)
  }

  /** Ready if it is due, else scheduled. */
  moveToDue(row: Row, now: number, holdsLane: boolean): void {
    this.move(row, row.dueAt <= now ? { state: 'ready' } : { state: 'scheduled', holdsLane })
  }

  /** Makes ready what has become due. How many that were. */
  readyDue(now: number): number {
    let readied = 0
    for (let next = this.#due.peek(); next && next.dueAt <= now; next = this.#due.peek()) {
      this.move(next.row, { state: 'ready' })
      readied++
    }
    return readied
  }

  /** Makes ready what was set aside and is of one of the types. How many that were. */
  readyUnhandled(types: readonly ClaimType[]): number {
    let readied = 0
    for (const type of types) {
      for (const row of this.#unhandled.get(typeKeyOf(type)) ?? []) {
        this.move(row, { state: 'ready' })
        readied++
      }
    }
    return readied
  }

  /** When the next scheduled event is due. */
  get nextDueAt(): number | undefined {
    return this.#due.peek()?.dueAt
  }

  /** Since when the ready event that waits longest is due. */
  get oldestReadyAt(): number | undefined {
    return this.#longestReady.peek()?.dueAt
  }

  /** Ends a worker: its own events are anybody's now. What it held is still to be given back. */
  removeWorker(worker: Worker): void {
    this.workers.delete(worker.id)
    for (const row of worker.owned) {
      row.owner = undefined
      if (row.place.state !== 'ready') continue
      const lane = row.lane === undefined ? undefined : this.lanes.get(row.lane)
      if (lane) this.offerHead(lane)
      else this.#offerTo(this.common, row)
    }
  }

  /** Takes the head of a lane off the queues, without another in its place; until `offerHead`. */
  withdraw(lane: Lane): void {
    if (lane.offer && lane.offer.row.offer === lane.offer) lane.offer.row.offer = undefined
    lane.offer = undefined
    lane.pool = undefined
  }

  /** Puts the head of a lane where those who may claim it look, or nowhere; forgets a lane that is empty. */
  offerHead(lane: Lane): void {
    const row = lane.ready.peek()?.row
    const pool = row && this.#poolOfHead(lane, row)
    const { offer } = lane
    if (offer && offer.row === row && row.offer === offer && lane.pool === pool) return
    this.withdraw(lane)
    if (row && pool) {
      lane.offer = this.#offerTo(pool, row)
      lane.pool = pool
    }
    if (lane.isEmpty) this.lanes.delete(lane.name)
  }

  #offerTo(pool: ClaimPool, row: Row): Offer {
    this.offered = true
    return pool.offer(row)
  }

  #poolOfHead(lane: Lane, { owner }: Row): ClaimPool | undefined {
    if (lane.retries > 0) return undefined
    if (lane.holder === undefined) return this.#poolOf(owner)
    return owner === undefined || owner === lane.holder ? this.#poolOf(lane.holder) : undefined
  }

  #poolOf(owner: string | undefined): ClaimPool | undefined {
    return owner === undefined ? this.common : this.workers.get(owner)?.pool
  }

  #laneOf({ lane: name }: Row): Lane | undefined {
    if (name === undefined) return undefined
    let lane = this.lanes.get(name)
    if (!lane) {
      lane = new Lane(name)
      this.lanes.set(name, lane)
    }
    return lane
  }

  /** The lane that has to be looked at when the row has got to where it goes. */
  #leave(row: Row): Lane | undefined {
    const { place } = row
    this.counts[place.state]--
    row.offer = undefined
    const lane = row.lane === undefined ? undefined : this.lanes.get(row.lane)
    if (place.state === 'running') {
      this.workers.get(place.worker)?.held.delete(row)
      lane?.held.delete(row)
      if (lane?.held.size === 0) lane.holder = undefined
    } else if (place.state === 'scheduled' && place.holdsLane && lane) lane.retries--
    else if (place.state === 'unhandled') {
      const key = typeKeyOf(row.message)
      const same = this.#unhandled.get(key)
      same?.delete(row)
      if (same?.size === 0) this.#unhandled.delete(key)
    }
    return lane
  }

  #enter(row: Row, place: Place): void {
    row.place = place
    this.counts[place.state]++
    if (place.state === 'ready') this.#enterReady(row, place)
    else if (place.state === 'scheduled') {
      this.#due.push(waitingAt(row, place))
      if (!place.holdsLane) return
      const lane = this.#laneOf(row)
      if (!lane) return
      lane.retries++
      this.offerHead(lane)
    } else if (place.state === 'running') {
      this.workers.get(place.worker)?.held.add(row)
      const lane = this.#laneOf(row)
      if (!lane) return
      lane.holder = place.worker
      lane.held.add(row)
      this.offerHead(lane)
    } else if (place.state === 'unhandled') {
      const key = typeKeyOf(row.message)
      const same = this.#unhandled.get(key)
      if (same) same.add(row)
      else this.#unhandled.set(key, new Set([row]))
    }
  }

  #enterReady(row: Row, place: Place): void {
    const waiting = waitingAt(row, place)
    this.#longestReady.push(waiting)
    const lane = this.#laneOf(row)
    if (lane) {
      lane.ready.push(waiting)
      this.offerHead(lane)
      return
    }
    const pool = this.#poolOf(row.owner)
    if (pool) this.#offerTo(pool, row)
  }
}
