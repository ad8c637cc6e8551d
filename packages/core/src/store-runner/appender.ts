import type { Appended, NewEvent } from '../persistence.ts'
import { isFinal } from './unavailable.ts'

/** What appending needs of the store behind it. */
interface AppenderHost {
  readonly batchSize: number
  readonly parallelAppends: number
  append(events: readonly NewEvent[]): Promise<readonly Appended[]>
  /** A commit is over, and whoever waits for it is about to be told. */
  landed(): void
}

interface Item {
  readonly event: NewEvent
  readonly landed: ((appended: Appended) => void) | undefined
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit: what is appended while commits are under way shares the next one, so a lone event waits for no timer and
 * many cost little more than one. Events of one lane are never in two commits at once, so they commit in call order
 * (R-LANE-3).
 */
export class Appender {
  /** Appended, and not committed yet. */
  pending = 0
  readonly #host: AppenderHost
  #queue: Item[] = []
  /** Items whose lane is being committed, by lane; the lanes being committed are its keys. */
  readonly #held = new Map<string, Item[]>()
  /** Resolves when it is known what became of the lane's commit. */
  readonly #flying = new Map<string, Promise<void>>()
  /** The same for all commits so far with events of the bus's own lane, of which several may be under way. */
  #serial: Promise<void> | undefined = undefined
  #flights = 0
  #landed = Promise.withResolvers<void>()
  #queued = false

  constructor(host: AppenderHost) {
    this.#host = host
  }

  /** Resolves when nothing is pending. */
  async settled(): Promise<void> {
    while (this.pending > 0) await this.#landed.promise
  }

  /** Resolves when nothing of the lanes of these events that is being committed now is any more. */
  async landedBefore(
    events: readonly { readonly lane: string | undefined; readonly serial: boolean }[],
  ): Promise<void> {
    const flights = new Set<Promise<void>>()
    for (const { lane, serial } of events) {
      const flight = lane === undefined ? serial && this.#serial : this.#flying.get(lane)
      if (flight) flights.add(flight)
    }
    await Promise.all(flights)
  }

  /**
   * `landed` is called as soon as it is known what became of the event, before anything else happens; for the bus's own lane in call
   * order, too.
   */
  append(event: NewEvent, landed?: (appended: Appended) => void): Promise<Appended> {
    this.pending++
    const { promise, resolve, reject } = Promise.withResolvers<Appended>()
    const item: Item = { event, landed, resolve, reject }
    const held = event.lane === undefined ? undefined : this.#held.get(event.lane)
    if (held) held.push(item)
    else this.#queue.push(item)
    this.#queueFlush()
    return promise
  }

  /** In a microtask, so that what is published in one go shares a commit. */
  #queueFlush(): void {
    if (this.#queued || this.#flights >= this.#host.parallelAppends) return
    this.#queued = true
    queueMicrotask(() => {
      this.#queued = false
      while (this.#queue.length > 0 && this.#flights < this.#host.parallelAppends) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    const batch = this.#queue.splice(0, this.#host.batchSize)
    const lanes = new Set<string>()
    for (const { event } of batch) if (event.lane !== undefined) lanes.add(event.lane)
    for (const lane of lanes) this.#held.set(lane, [])
    if (lanes.size > 0) this.#holdBack(lanes)
    this.#flights++
    await this.#fly(batch, lanes)
    for (const lane of lanes) this.#flying.delete(lane)
    this.#flights--
    this.pending -= batch.length
    for (const lane of lanes) {
      for (const item of this.#held.get(lane)!) this.#queue.push(item)
      this.#held.delete(lane)
    }
    this.#host.landed()
    const { resolve } = this.#landed
    this.#landed = Promise.withResolvers()
    resolve()
    if (this.#queue.length > 0) this.#queueFlush()
  }

  #fly(batch: readonly Item[], lanes: ReadonlySet<string>): Promise<void> {
    const earlier = this.#serial
    const landed: (() => void)[] = []
    const flight = this.#commit(batch, (tell, { event: { serial } }) => {
      if (serial && earlier) landed.push(tell)
      else tell()
    })
    for (const lane of lanes) this.#flying.set(lane, flight)
    if (batch.some(({ event }) => event.serial)) {
      const serial = Promise.all([earlier, flight]).then(() => {
        for (const tell of landed) tell()
        if (this.#serial === serial) this.#serial = undefined
      })
      this.#serial = serial
    }
    return flight
  }

  async #commit(batch: readonly Item[], tell: (landed: () => void, item: Item) => void): Promise<void> {
    let answers: readonly Appended[]
    try {
      answers = await this.#host.append(batch.map(({ event }) => event))
    } catch (error) {
      // One of them is more than the store can take; the others must not suffer for it, and keep their order.
      if (batch.length > 1 && isFinal(error)) for (const item of batch) await this.#commit([item], tell)
      else for (const { reject } of batch) reject(error)
      return
    }
    for (const [index, item] of batch.entries()) {
      const answer = answers[index]!
      if (item.landed) tell(() => item.landed!(answer), item)
      item.resolve(answer)
    }
  }

  /** What did not fit into the batch waits for its lane. */
  #holdBack(lanes: ReadonlySet<string>): void {
    const rest: Item[] = []
    for (const item of this.#queue) {
      const { lane } = item.event
      if (lane !== undefined && lanes.has(lane)) this.#held.get(lane)!.push(item)
      else rest.push(item)
    }
    this.#queue = rest
  }
}
