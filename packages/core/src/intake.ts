import type { Delivery } from './delivery.ts'
import { aborted, BusError } from './errors.ts'
import type { HandlerCall } from './handler-call.ts'
import type { Lanes } from './lanes.ts'
import type { PublishReceipt } from './options.ts'
import type { SessionState } from './session.ts'
import { Watched, type WatchedEnds } from './watched.ts'

/** What happens to a publish that finds the queue full. */
export type QueueStrategy = 'wait' | 'reject' | 'drop-newest' | 'drop-oldest' | 'rate-limit'

/** Options of the queue of in-memory events. */
export interface QueueOptions {
  /** How many events may wait. Default 10,000. */
  readonly capacity?: number | undefined
  /**
   * - `wait` (default): publishers wait and are let in, in order, as room appears.
   * - `reject`: the publish rejects with `QUEUE_FULL`.
   * - `drop-newest`: the event is not accepted; the receipt says `dropped`.
   * - `drop-oldest`: the event that was accepted first leaves; its `publishAndWait` rejects with `EVENT_DROPPED`.
   * - `rate-limit`: publishers are held, the longer the more waits above the high-water mark; full: as `wait`.
   */
  readonly strategy?: QueueStrategy | undefined
  /** The share of the capacity from which on back-pressure is announced. Default 0.8. */
  readonly highWaterMark?: number | undefined
  /** The share at which it is over. Default 0.5. */
  readonly lowWaterMark?: number | undefined
}

/** The options of the queue, checked and complete. */
export type QueueSettings = { readonly [Option in keyof QueueOptions]-?: NonNullable<QueueOptions[Option]> }

/** How in-memory application events were counted: `offered` is the sum of all others, at every moment (R-Q-2). */
export interface QueueCounts {
  readonly offered: number
  readonly settled: number
  readonly running: number
  readonly waiting: number
  /** Publishers that wait for room. */
  readonly blocked: number
  readonly dropped: number
  readonly rejected: number
  readonly filtered: number
  readonly leftAtStop: number
}

interface ApartCounts {
  waiting: number
  running: number
  settled: number
}

/** One publish that waits for room. */
interface Blocked {
  readonly delivery: Delivery
  readonly ends: WatchedEnds<PublishReceipt>
  readonly signal: AbortSignal | undefined
  onAbort: (() => void) | undefined
}

/** What the intake needs of the bus around it. */
export interface IntakeHost {
  readonly ageingMs: number
  readonly lanes: Lanes
  /** Whether events are taken from the queue: before start and while stopped they are not. */
  readonly draining: boolean
  after(delayMs: number, callback: () => void): unknown
  /** The event handler that publishes, if one does. */
  publisher(call: HandlerCall | undefined): HandlerCall | undefined
  readonly observers: { readonly any: boolean }
  accepted(delivery: Delivery): void
  refused(delivery: Delivery, reason: 'dropped' | 'rejected', error?: unknown): void
  backpressure(level: 'high' | 'normal', waiting: number): void
  /** A publish was refused and nobody awaits it. */
  unheard(error: unknown): void
}

/** At once, or once there is room. */
export type Admission = 'accepted' | 'dropped' | Promise<PublishReceipt>

export const receipt = ({ message: { id } }: Delivery, status: 'accepted' | 'dropped'): PublishReceipt => ({
  id,
  status,
  durability: 'memory',
})

/** How many events one handler call may publish into a full queue (R-Q-4). */
const OVERFLOW_LIMIT = 1000
const MAX_PACE_MS = 100

/** The bound of the queue: who gets in, who waits, who is turned away, and the count of them all. */
export class Intake {
  readonly counts: { -readonly [K in keyof QueueCounts]: number } = {
    offered: 0,
    settled: 0,
    running: 0,
    waiting: 0,
    blocked: 0,
    dropped: 0,
    rejected: 0,
    filtered: 0,
    leftAtStop: 0,
  }
  /** System events, which are counted apart and have no bound. */
  readonly system: ApartCounts = { waiting: 0, running: 0, settled: 0 }
  /** Events that a store keeps: they are counted apart too, and never dropped. */
  readonly stored: ApartCounts = { waiting: 0, running: 0, settled: 0 }
  readonly capacity: number
  level: 'high' | 'normal' = 'normal'
  readonly strategy: QueueStrategy
  readonly #host: IntakeHost
  readonly #high: number
  readonly #low: number
  readonly #blocked = new Set<Blocked>()
  /** In the order of acceptance; kept only for the strategy that drops the first of them. */
  readonly #droppable: Set<Delivery> | undefined
  readonly #simple: boolean
  #order = 0
  /** How long `rate-limit` holds a publisher at the moment. */
  #paceMs = 0

  constructor(host: IntakeHost, { capacity, strategy, highWaterMark, lowWaterMark }: QueueSettings) {
    this.#host = host
    this.capacity = capacity
    this.strategy = strategy
    this.#high = capacity * highWaterMark
    this.#low = capacity * lowWaterMark
    this.#droppable = strategy === 'drop-oldest' ? new Set() : undefined
    this.#simple = strategy !== 'drop-oldest' && strategy !== 'rate-limit'
  }

  /** Whether an event may be enqueued with nothing else to look at. */
  get plain(): boolean {
    const { counts } = this
    return counts.waiting < this.capacity && counts.blocked === 0 && this.#simple
  }

  /** Events at work, system events included. */
  get running(): number {
    return this.counts.running + this.system.running + this.stored.running
  }

  /** Events and publishers that wait, system events included. */
  get waiting(): number {
    return this.counts.waiting + this.counts.blocked + this.system.waiting + this.stored.waiting
  }

  /** Counts an offer that never reached the queue. */
  count(what: 'rejected' | 'filtered'): void {
    this.counts.offered++
    this.counts[what]++
  }

  /**
   * Offers an event to the queue.
   *
   * @throws {BusError} `QUEUE_FULL`, `HANDLER_PUBLISH_LIMIT`; counted and told already.
   */
  offer(delivery: Delivery, call: HandlerCall | undefined, signal: AbortSignal | undefined): Admission {
    const { counts } = this
    if (delivery.definition.system) {
      this.admit(delivery)
      return 'accepted'
    }
    counts.offered++
    // Newcomers do not overtake those who wait for room.
    if (counts.waiting >= this.capacity || counts.blocked > 0) return this.#offerToFull(delivery, call, signal)
    this.#droppable?.add(delivery)
    this.enqueue(delivery, this.#host.lanes.acceptedAt())
    return this.strategy === 'rate-limit' ? this.#pace(delivery) : 'accepted'
  }

  /** Takes in an event of the bus itself: no bound and no strategy applies to it. */
  admit(delivery: Delivery): void {
    this.enqueue(delivery, this.#host.lanes.acceptedAt())
  }

  /** Takes in a scheduled event that is due: it was accepted, and observers were told, when it was scheduled. */
  admitDue(delivery: Delivery, dueAt: number): void {
    if (!delivery.definition.system) this.counts.offered++
    this.enqueue(delivery, dueAt, false)
  }

  /** The event leaves the queue and begins. */
  begin(delivery: Delivery): void {
    delivery.state = 'running'
    const apart = this.#apart(delivery)
    if (apart !== undefined) {
      apart.waiting--
      apart.running++
      return
    }
    const { counts } = this
    counts.waiting--
    counts.running++
    this.#droppable?.delete(delivery)
    if (counts.blocked > 0 || this.level === 'high') this.#roomAppeared()
  }

  /** An event begins without having waited: it runs as part of a handler. */
  beginNested(delivery: Delivery): void {
    const apart = this.#apart(delivery)
    if (apart === undefined) this.counts.offered++
    ;(apart ?? this.counts).running++
    delivery.state = 'running'
    if (delivery.session) delivery.session.active++
  }

  settle(delivery: Delivery): void {
    const counts = this.#apart(delivery) ?? this.counts
    counts.running--
    counts.settled++
    delivery.state = 'gone'
    if (delivery.session) delivery.session.active--
  }

  /** Takes a waiting event away. */
  remove(delivery: Delivery, as: 'dropped' | 'leftAtStop' | 'settled'): void {
    this.#take(delivery, as)
    this.#roomAppeared()
  }

  /** Ends the waits for room: all, or those of a session. */
  refuseBlocked(error: BusError, session?: SessionState): void {
    for (const blocked of this.#blocked) {
      if (session === undefined || blocked.delivery.session === session) this.#refuse(blocked, error)
    }
  }

  #offerToFull(delivery: Delivery, call: HandlerCall | undefined, signal: AbortSignal | undefined): Admission {
    const { counts } = this
    const handler = this.#host.publisher(call)
    if (handler) {
      if (++handler.details().overflow > OVERFLOW_LIMIT) {
        return this.#reject(
          delivery,
          'HANDLER_PUBLISH_LIMIT',
          `One handler of '${handler.message.type}' published more than ${OVERFLOW_LIMIT} events while the queue was full. ` +
            'Publish in smaller portions, or raise queue.capacity',
        )
      }
      this.enqueue(delivery, this.#host.lanes.acceptedAt())
      return 'accepted'
    }
    const strategy = this.strategy
    const oldest = this.#droppable?.values().next().value
    if (oldest !== undefined) {
      this.#take(oldest, 'dropped')
      this.#droppable!.add(delivery)
      this.enqueue(delivery, this.#host.lanes.acceptedAt())
      const { type } = oldest.message
      const error = new BusError('EVENT_DROPPED', `'${type}' was dropped for a newer event: the queue is full`)
      oldest.waiter?.reject(error)
      this.#host.refused(oldest, 'dropped', error)
      return 'accepted'
    }
    if (strategy === 'drop-newest' || strategy === 'drop-oldest') {
      counts.dropped++
      this.#host.refused(delivery, 'dropped')
      return 'dropped'
    }
    if (strategy !== 'reject' && this.#host.draining) return this.#block(delivery, signal)
    const advice = this.#host.draining ? 'Publish more slowly, or choose another strategy' : 'Call start() to drain it'
    return this.#reject(
      delivery,
      'QUEUE_FULL',
      `The queue of ${this.capacity} events is full, so '${delivery.message.type}' was not accepted. ${advice}`,
    )
  }

  #reject(delivery: Delivery, code: 'QUEUE_FULL' | 'HANDLER_PUBLISH_LIMIT', message: string): never {
    const error = new BusError(code, message)
    this.counts.rejected++
    this.#host.refused(delivery, 'rejected', error)
    throw error
  }

  #block(delivery: Delivery, signal: AbortSignal | undefined): Promise<PublishReceipt> {
    const ends = Watched.make<PublishReceipt>((error) => this.#host.unheard(error))
    const blocked: Blocked = { delivery, ends, signal, onAbort: undefined }
    this.counts.blocked++
    this.#blocked.add(blocked)
    if (delivery.session) delivery.session.active++
    if (signal) {
      blocked.onAbort = () => this.#refuse(blocked, aborted('Waiting for room in the queue', signal.reason))
      signal.addEventListener('abort', blocked.onAbort, { once: true })
    }
    return ends.promise
  }

  #unblock(blocked: Blocked): void {
    const { delivery, signal, onAbort } = blocked
    this.#blocked.delete(blocked)
    this.counts.blocked--
    if (delivery.session) delivery.session.active--
    if (onAbort) signal!.removeEventListener('abort', onAbort)
  }

  #refuse(blocked: Blocked, error: BusError): void {
    this.#unblock(blocked)
    this.counts.rejected++
    this.#host.refused(blocked.delivery, 'rejected', error)
    blocked.ends.reject(error)
  }

  /** Puts an event into the queue, beyond any bound; it is counted as offered already. */
  enqueue(delivery: Delivery, at: number, tell: boolean = this.#host.observers.any): void {
    const host = this.#host
    const { ageingMs } = host
    delivery.at = at
    delivery.key = ageingMs === Infinity ? delivery.priority : at + (delivery.priority - 50) * ageingMs
    this.#wait(delivery)
    if (delivery.definition.system) this.system.waiting++
    else if (++this.counts.waiting >= this.#high && this.level === 'normal') this.#setLevel('high')
    if (tell) host.accepted(delivery)
  }

  /** Takes in an event that a store keeps, in the store's order. */
  admitStored(delivery: Delivery, key: number, at: number): void {
    delivery.at = at
    delivery.key = key
    this.#wait(delivery)
    this.stored.waiting++
  }

  #wait(delivery: Delivery): void {
    delivery.order = this.#order++
    delivery.state = 'waiting'
    if (delivery.session !== undefined) delivery.session.active++
    this.#host.lanes.add(delivery)
  }

  /** Where it is counted, if not with the application's events in memory. */
  #apart(delivery: Delivery): ApartCounts | undefined {
    if (delivery.definition.system) return this.system
    return delivery.lease === undefined ? undefined : this.stored
  }

  #take(delivery: Delivery, as: 'dropped' | 'leftAtStop' | 'settled'): void {
    const apart = this.#apart(delivery)
    if (apart !== undefined) {
      apart.waiting--
    } else {
      this.counts.waiting--
      this.counts[as]++
      this.#droppable?.delete(delivery)
    }
    delivery.state = 'gone'
    if (delivery.session) delivery.session.active--
    this.#host.lanes.remove(delivery)
  }

  #roomAppeared(): void {
    const { counts } = this
    if (counts.blocked > 0) {
      for (const blocked of this.#blocked) {
        if (counts.waiting >= this.capacity) break
        this.#unblock(blocked)
        this.enqueue(blocked.delivery, this.#host.lanes.acceptedAt())
        blocked.ends.resolve(receipt(blocked.delivery, 'accepted'))
      }
    }
    if (counts.waiting <= this.#low && this.level === 'high') this.#setLevel('normal')
  }

  #setLevel(level: 'high' | 'normal'): void {
    this.level = level
    this.#host.backpressure(level, this.counts.waiting)
  }

  /** Holds publishers longer while the queue stands above its high-water mark, and shorter below the low one. */
  #pace(delivery: Delivery): Admission {
    const { waiting } = this.counts
    if (waiting >= this.#high) this.#paceMs = Math.min(MAX_PACE_MS, this.#paceMs * 1.5 || 1)
    else if (waiting <= this.#low) this.#paceMs = this.#paceMs < 1 ? 0 : this.#paceMs / 2
    if (this.#paceMs === 0) return 'accepted'
    return new Promise((resolve) => this.#host.after(this.#paceMs, () => resolve(receipt(delivery, 'accepted'))))
  }
}
