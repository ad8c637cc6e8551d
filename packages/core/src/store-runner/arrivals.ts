import { decode } from '../definitions.ts'
import { Delivery } from '../delivery.ts'
import { describe } from '../errors.ts'
import { BUS, copyMessage } from '../message.ts'
import type { Appended, Claimed, ClaimedEvent, Lease, NewEvent, PayloadCodec } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import type { Connection } from './connection.ts'
import type { Leases } from './leases.ts'
import type { RunCounts } from './run-counts.ts'
import { namesOf, StoredDelivery } from './stored-delivery.ts'
import { loadMessage, loadPayload, namedLane, requireReadable } from './stored-message.ts'

/** An event that was leased where it was published. */
type Kept = Appended & { readonly status: 'stored'; readonly lease: Lease }

/** An event that has come, and is yet to be put into its lane. */
interface Arrival {
  readonly orderKey: number
  readonly key: string
  arrive(): void
}

/** Keys rise with every event that is stored. */
const byOrder = (a: Arrival, b: Arrival): number =>
  a.orderKey === b.orderKey ? a.key.length - b.key.length || (a.key < b.key ? -1 : 1) : a.orderKey - b.orderKey

/** What arrivals need of the runner. */
export interface ArrivalsHost {
  readonly bus: StoreHost
  readonly connection: Connection
  readonly leases: Leases
  readonly counts: RunCounts
  readonly codec: PayloadCodec | undefined
  /** Gives back what nobody here knows. */
  release(lease: Lease): void
}

/** Turns what the store leases to this process into deliveries, and puts those into their lanes. */
export class Arrivals {
  /** Answers of the store, and payloads, that are being read. */
  readonly pending: Set<Promise<unknown>>
  /** Payloads that are being parsed. */
  reading = 0
  /** What was appended to named lanes while a claim is under way. */
  #meanwhile: Arrival[] | undefined = undefined
  readonly #host: ArrivalsHost
  /** Lanes with an event whose payload is being parsed: resolves when that has been put into it. */
  readonly #parsing = new Map<string, Promise<void>>()

  constructor(host: ArrivalsHost, pending: Set<Promise<unknown>>) {
    this.#host = host
    this.pending = pending
  }

  /** A claim is about to be made: what is appended from now on may come after events that it brings. */
  claiming(): void {
    this.#meanwhile ??= []
  }

  /** An event was leased where it was published. Its handlers get what was stored, as those in other processes do. */
  appended(delivery: Delivery, event: NewEvent, appended: Kept): void {
    const { orderKey, key } = appended
    const arrive = (): void => this.#keep(delivery, event, appended)
    if (event.lane === undefined || !this.#meanwhile) arrive()
    else this.#meanwhile.push({ orderKey, key, arrive })
  }

  #keep(delivery: Delivery, { message: stored, expiresInMs }: NewEvent, appended: Kept): void {
    const { lease, acceptedAt, started } = appended
    const { bus, leases, codec } = this.#host
    const { definition, laneKey, message, parent } = delivery
    const held = new StoredDelivery(leases, delivery, {
      lease,
      lane: parent ? undefined : namedLane(laneKey),
      serial: laneKey === BUS && parent === undefined,
      onCrash: definition.options.onCrash ?? 'retry',
      started,
      unreported: 0,
      interruptions: 0,
      handlers: started ? namesOf(bus.plan(message.type, message.sessionId)) : undefined,
      progress: {},
      deferredSinceMs: undefined,
      expiresAt: this.#expiry(acceptedAt, expiresInMs),
    })
    try {
      const payload = isShared(message.payload) ? loadPayload(stored.payload, codec) : message.payload
      delivery.message = copyMessage(message, { payload }, stored.version)
    } catch (error) {
      return this.#refuse(held, error)
    }
    this.#decode(held, () => {
      if (parent !== undefined) bus.admitNested(delivery)
      else this.#admit(held, appended)
    })
  }

  /** What was claimed, and what was appended meanwhile, in order. */
  claimed({ events, now }: Claimed): void {
    this.#host.counts.claimed += events.length
    const arrivals = events.map((event): Arrival => {
      const { orderKey, lease } = event
      return { orderKey, key: lease.key, arrive: () => this.#take(event, now) }
    })
    const meanwhile = this.#meanwhile ?? []
    this.#meanwhile = undefined
    if (meanwhile.length > 0) arrivals.push(...meanwhile)
    if (meanwhile.length > 0 && events.length > 0) arrivals.sort(byOrder)
    for (const arrival of arrivals) arrival.arrive()
  }

  #take(event: ClaimedEvent, now: number): void {
    const held = this.#load(event, now)
    if (held && event.expired) held.expire()
    else if (held) this.#decode(held, () => this.#admit(held, event))
  }

  /** What was claimed, as a delivery whose payload has not been parsed yet. */
  #load(event: ClaimedEvent, now: number): StoredDelivery | undefined {
    const { bus, leases, codec } = this.#host
    const { lease, message: stored, acceptedAt, deferredSince } = event
    const definition = bus.definition(stored.type)
    const facts = { ...event, expiresAt: undefined, deferredSinceMs: deferredSince && now - deferredSince }
    // What cannot be read is not even looked at where it is set aside.
    const aside = { ...facts, handlers: undefined, progress: {} }
    if (!definition) {
      this.#host.release(lease)
      return undefined
    }
    let delivery = leases.takeAwaited(lease.key)
    try {
      requireReadable(event)
      const { message, expiresInMs } = loadMessage(stored, definition, codec)
      if (delivery) delivery.message = message
      else delivery = new Delivery(message, definition, event.priority)
      delivery.laneKey = event.lane ?? (event.serial ? BUS : undefined)
      return new StoredDelivery(leases, delivery, { ...facts, expiresAt: this.#expiry(acceptedAt, expiresInMs) })
    } catch (error) {
      this.#refuse(new StoredDelivery(leases, new Delivery(stored as never, definition, event.priority), aside), error)
      delivery?.waiter?.reject(error)
      return undefined
    }
  }

  #decode(held: StoredDelivery, begin: () => void): void {
    const { delivery } = held
    const admit = (message: Delivery['message']): void => {
      delivery.message = message
      this.#host.leases.hold(held)
      begin()
    }
    const refuse = (error: unknown): void => this.#refuse(held, error)
    const lane = delivery.parent ? undefined : delivery.laneKey
    const earlier = lane === undefined ? undefined : this.#parsing.get(lane)
    try {
      const decoded = decode(delivery.message, delivery.definition)
      if (!(decoded instanceof Promise) && !earlier) return admit(decoded)
      this.#parse(
        lane,
        Promise.resolve(decoded).then(
          (message) => (earlier ? earlier.then(() => admit(message)) : admit(message)),
          refuse,
        ),
      )
    } catch (error) {
      refuse(error)
    }
  }

  /** What comes later in the lane waits for what is being parsed. */
  #parse(lane: string | undefined, admitted: Promise<void>): void {
    const earlier = lane === undefined ? undefined : this.#parsing.get(lane)
    this.reading++
    const over = Promise.all([earlier, admitted]).then(() => {
      this.reading--
      this.pending.delete(over)
      if (lane !== undefined && this.#parsing.get(lane) === over) this.#parsing.delete(lane)
      this.#host.bus.checkQuiet()
    })
    this.pending.add(over)
    if (lane !== undefined) this.#parsing.set(lane, over)
  }

  #refuse(held: StoredDelivery, error: unknown): void {
    const { type, id } = held.delivery.message
    this.#host.counts.undecodable++
    this.#host.bus.logger.error({ error, id }, `A stored '${type}' cannot be read and is set aside: ${describe(error)}`)
    held.undecodable(error)
    held.delivery.waiter?.reject(error)
  }

  #admit(held: StoredDelivery, { orderKey, acceptedAt }: Pick<ClaimedEvent, 'orderKey' | 'acceptedAt'>): void {
    const { bus, connection } = this.#host
    const key = bus.ageingMs === Infinity ? orderKey : orderKey + connection.offset
    bus.admit(held.delivery, key, acceptedAt + connection.offset)
  }

  /** By the monotonic clock. */
  #expiry(acceptedAt: number, expiresInMs: number | undefined): number | undefined {
    return expiresInMs === undefined ? undefined : acceptedAt + expiresInMs + this.#host.connection.offset
  }
}

/** Whether whoever published it could change it, or sees it changed. Numbers count: JSON has no -0. */
const isShared = (payload: unknown): boolean =>
  (typeof payload === 'object' && payload !== null) || typeof payload === 'number'
