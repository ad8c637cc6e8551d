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

  append(event: NewEvent): Promise<Appended> {
    this.pending++
    const { promise, resolve, reject } = Promise.withResolvers<Appended>()
    const item: Item = { event, resolve, reject }
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
    await this.#commit(batch)
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

  async #commit(batch: readonly Item[]): Promise<void> {
    try {
      const answers = await this.#host.append(batch.map(({ event }) => event))
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!)
    } catch (error) {
      // One of them is more than the store can take; the others must not suffer for it, and keep their order.
      if (batch.length > 1 && isFinal(error)) for (const item of batch) await this.#commit([item])
      else for (const { reject } of batch) reject(error)
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
