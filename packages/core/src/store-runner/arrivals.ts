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
import { loadMessage, loadPayload, namedLane } from './stored-message.ts'

/** An event that was leased where it was published. */
type Kept = Appended & { readonly status: 'stored'; readonly lease: Lease }

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
  readonly #host: ArrivalsHost

  constructor(host: ArrivalsHost, pending: Set<Promise<unknown>>) {
    this.#host = host
    this.pending = pending
  }

  /** An event was leased where it was published. Its handlers get what was stored, as those in other processes do. */
  appended(delivery: Delivery, { message: stored, expiresInMs }: NewEvent, appended: Kept): void {
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

  claimed({ events, now }: Claimed): void {
    this.#host.counts.claimed += events.length
    for (const event of events) {
      const held = this.#load(event, now)
      if (held && event.expired) held.expire()
      else if (held) this.#decode(held, () => this.#admit(held, event))
    }
  }

  /** What was claimed, as a delivery whose payload has not been parsed yet. */
  #load(event: ClaimedEvent, now: number): StoredDelivery | undefined {
    const { bus, leases, codec } = this.#host
    const { lease, message: stored, acceptedAt, deferredSince } = event
    const definition = bus.definition(stored.type)
    const facts = { ...event, expiresAt: undefined, deferredSinceMs: deferredSince && now - deferredSince }
    if (!definition) {
      this.#host.release(lease)
      return undefined
    }
    let delivery = leases.takeAwaited(lease.key)
    try {
      const { message, expiresInMs } = loadMessage(stored, definition, codec)
      if (delivery) delivery.message = message
      else delivery = new Delivery(message, definition, event.priority)
      delivery.laneKey = event.lane ?? (event.serial ? BUS : undefined)
      return new StoredDelivery(leases, delivery, { ...facts, expiresAt: this.#expiry(acceptedAt, expiresInMs) })
    } catch (error) {
      this.#refuse(new StoredDelivery(leases, new Delivery(stored as never, definition, event.priority), facts), error)
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
    try {
      const decoded = decode(delivery.message, delivery.definition)
      if (!(decoded instanceof Promise)) return admit(decoded)
      this.reading++
      const admitted = decoded.then(admit, refuse).finally(() => {
        this.reading--
        this.pending.delete(admitted)
        this.#host.bus.checkQuiet()
      })
      this.pending.add(admitted)
    } catch (error) {
      refuse(error)
    }
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
