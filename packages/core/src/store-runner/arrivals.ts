import { decode } from '../definitions.ts'
import { Delivery } from '../delivery.ts'
import { describe } from '../errors.ts'
import { BUS } from '../message.ts'
import type { Appended, Claimed, ClaimedEvent, Lease, PayloadCodec } from '../persistence.ts'
import type { StoreHost } from '../store-host.ts'
import type { Connection } from './connection.ts'
import type { Leases } from './leases.ts'
import type { RunCounts } from './run-counts.ts'
import { namesOf, StoredDelivery } from './stored-delivery.ts'
import { loadMessage, namedLane } from './stored-message.ts'

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

  /** An event was leased where it was published. */
  appended(
    delivery: Delivery,
    { lease, acceptedAt, orderKey, started }: Appended & { readonly status: 'stored'; readonly lease: Lease },
    expiresInMs: number | undefined,
  ): void {
    const { bus, leases } = this.#host
    const { definition, laneKey, message, parent } = delivery
    const held = new StoredDelivery(leases, delivery, {
      lease,
      lane: parent ? undefined : namedLane(laneKey),
      serial: laneKey === BUS && parent === undefined,
      onCrash: definition.options.onCrash ?? 'retry',
      started,
      interruptions: 0,
      handlers: started ? namesOf(bus.plan(message.type, message.sessionId)) : undefined,
      progress: {},
      deferredSinceMs: undefined,
      expiresAt: this.#expiry(acceptedAt, expiresInMs),
    })
    leases.hold(held)
    if (parent !== undefined) bus.admitNested(delivery)
    else this.#admit(held, orderKey, acceptedAt)
  }

  claimed({ events, now }: Claimed): void {
    this.#host.counts.claimed += events.length
    for (const event of events) {
      const held = this.#load(event, now)
      if (held) this.#decode(held, event)
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
      delivery ??= new Delivery(message, definition, event.priority)
      delivery.laneKey = event.lane ?? (event.serial ? BUS : undefined)
      return new StoredDelivery(leases, delivery, { ...facts, expiresAt: this.#expiry(acceptedAt, expiresInMs) })
    } catch (error) {
      this.#refuse(new StoredDelivery(leases, new Delivery(stored as never, definition, event.priority), facts), error)
      delivery?.waiter?.reject(error)
      return undefined
    }
  }

  #decode(held: StoredDelivery, { orderKey, acceptedAt, expired }: ClaimedEvent): void {
    const { delivery } = held
    if (expired) return held.expire()
    const admit = (message: Delivery['message']): void => {
      delivery.message = message
      this.#host.leases.hold(held)
      this.#admit(held, orderKey, acceptedAt)
    }
    const refuse = (error: unknown): void => this.#refuse(held, error)
    // What waits here was parsed when it was published.
    if (delivery.waiter !== undefined) return admit(delivery.message)
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

  #admit(held: StoredDelivery, orderKey: number, acceptedAt: number): void {
    const { bus, connection } = this.#host
    const key = bus.ageingMs === Infinity ? orderKey : orderKey + connection.offset
    bus.admit(held.delivery, key, acceptedAt + connection.offset)
  }

  /** By the monotonic clock. */
  #expiry(acceptedAt: number, expiresInMs: number | undefined): number | undefined {
    return expiresInMs === undefined ? undefined : acceptedAt + expiresInMs + this.#host.connection.offset
  }
}
