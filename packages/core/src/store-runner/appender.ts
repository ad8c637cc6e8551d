import type { Appended, NewEvent } from '../persistence.ts'
import type { Timer } from '../timers.ts'
import { isFinal } from './unavailable.ts'

/** What appending needs of the store behind it. */
interface AppenderHost {
  readonly batchSize: number
  readonly parallelAppends: number
  append(events: readonly NewEvent[]): Promise<readonly Appended[]>
  /** A commit is over, and whoever waits for it is about to be told. */
  landed(): void
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer | undefined): void
}

interface Item {
  readonly event: NewEvent
  readonly landed: ((appended: Appended) => void) | undefined
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/** An idempotency key may have to wait for somebody's transaction: what has one is never in a commit with what has none. */
type Kind = 'plain' | 'keyed'

const KINDS = ['plain', 'keyed'] as const

const BUS_LANE = Symbol('the own lane of the bus')

const kindOf = ({ event }: Item): Kind => (event.idempotencyKey === undefined ? 'plain' : 'keyed')

/** For so long what comes later in the bus's own lane waits for a commit that waits for a key. */
const KEY_PATIENCE_MS = 100

/**
 * Group commit: what is appended while commits are under way shares the next one, so a lone event waits for no timer and
 * many cost little more than one. Events of one lane are never in two commits at once, so they commit in call order
 * (R-LANE-3). Each kind has commits of its own, at most `parallelAppends` at a time.
 */
export class Appender {
  /** Appended, and not committed yet. */
  pending = 0
  readonly #host: AppenderHost
  #queue: Item[] = []
  /** How many in the queue have an idempotency key. */
  #keyed = 0
  /** Items whose lane is being committed, by lane; the lanes being committed are its keys. */
  readonly #held = new Map<string, Item[]>()
  /** Resolves when it is known what became of the lane's commit. */
  readonly #flying = new Map<string, Promise<void>>()
  /** The same for all commits so far with events of the bus's own lane, of which several may be under way. */
  #serial: Promise<void> | undefined = undefined
  readonly #flights: Record<Kind, number> = { plain: 0, keyed: 0 }
  /** Commits that have waited for a key for longer than that. */
  #slow = 0
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
    else this.#enqueue(item)
    this.#queueFlush()
    return promise
  }

  #enqueue(item: Item): void {
    this.#queue.push(item)
    if (kindOf(item) === 'keyed') this.#keyed++
  }

  #mayFly(kind: Kind): boolean {
    const waiting = kind === 'keyed' ? this.#keyed : this.#queue.length - this.#keyed
    return waiting > 0 && this.#flights[kind] < this.#host.parallelAppends
  }

  /** In a microtask, so that what is published in one go shares a commit. */
  #queueFlush(): void {
    if (this.#queued || !KINDS.some((kind) => this.#mayFly(kind))) return
    this.#queued = true
    queueMicrotask(() => {
      this.#queued = false
      while (KINDS.some((kind) => this.#flyOf(kind)));
    })
  }

  #flyOf(kind: Kind): boolean {
    const batch = this.#mayFly(kind) ? this.#take(kind) : []
    if (batch.length > 0) void this.#flush(batch, kind)
    return batch.length > 0
  }

  /**
   * Of one kind, and of no lane in which something of the other kind goes before it. In the bus's own lane what has no key goes before
   * keys while those wait for longer than a commit takes.
   */
  #take(kind: Kind): readonly Item[] {
    const { batchSize } = this.#host
    if (this.#keyed === 0) return this.#queue.splice(0, batchSize)
    const batch: Item[] = []
    const rest: Item[] = []
    const passedOver = new Set<string | typeof BUS_LANE>()
    const inCallOrder = kind === 'keyed' || this.#slow === 0
    for (const item of this.#queue) {
      const lane = item.event.lane ?? (item.event.serial && inCallOrder ? BUS_LANE : undefined)
      const isNext = lane === undefined || !passedOver.has(lane)
      if (isNext && batch.length < batchSize && kindOf(item) === kind) batch.push(item)
      else {
        rest.push(item)
        if (lane !== undefined) passedOver.add(lane)
      }
    }
    this.#queue = rest
    if (kind === 'keyed') this.#keyed -= batch.length
    return batch
  }

  async #flush(batch: readonly Item[], kind: Kind): Promise<void> {
    const lanes = new Set<string>()
    for (const { event } of batch) if (event.lane !== undefined) lanes.add(event.lane)
    for (const lane of lanes) this.#held.set(lane, [])
    if (lanes.size > 0) this.#holdBack(lanes)
    this.#flights[kind]++
    await this.#fly(batch, lanes, kind)
    for (const lane of lanes) this.#flying.delete(lane)
    this.#flights[kind]--
    this.pending -= batch.length
    for (const lane of lanes) {
      for (const item of this.#held.get(lane)!) this.#enqueue(item)
      this.#held.delete(lane)
    }
    this.#host.landed()
    const { resolve } = this.#landed
    this.#landed = Promise.withResolvers()
    resolve()
    this.#queueFlush()
  }

  #fly(batch: readonly Item[], lanes: ReadonlySet<string>, kind: Kind): Promise<void> {
    const earlier = this.#serial
    const landed: (() => void)[] = []
    let inTurn = earlier === undefined
    const flight = this.#commit(batch, (tell, { event: { serial } }) => {
      if (serial && !inTurn) landed.push(tell)
      else tell()
    })
    for (const lane of lanes) this.#flying.set(lane, flight)
    const known = kind === 'keyed' ? this.#patiently(flight) : flight
    if (batch.some(({ event }) => event.serial)) {
      const serial = Promise.all([earlier, known]).then(() => {
        inTurn = true
        for (const tell of landed) tell()
        if (this.#serial === serial) this.#serial = undefined
      })
      this.#serial = serial
    }
    return flight
  }

  /** The bus's own lane must not stand still for the transaction of whoever uses a key. */
  #patiently(flight: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    let isSlow = false
    const timer = this.#host.after(KEY_PATIENCE_MS, () => {
      isSlow = true
      this.#slow++
      resolve()
      this.#queueFlush()
    })
    void flight.then(() => {
      if (isSlow) this.#slow--
      this.#host.cancel(timer)
      resolve()
    })
    return promise
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
      if (lane === undefined || !lanes.has(lane)) rest.push(item)
      else {
        this.#held.get(lane)!.push(item)
        if (kindOf(item) === 'keyed') this.#keyed--
      }
    }
    this.#queue = rest
  }
}
