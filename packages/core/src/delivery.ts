import type { Unfinished } from './dispatch.ts'
import type { HandlerCall } from './handler-call.ts'
import type { Lane } from './lanes.ts'
import type { AnyDefinition, EventMessage } from './message.ts'
import type { Ordered } from './ordered-queue.ts'
import type { EventOutcome } from './outcome.ts'
import type { SessionState } from './session.ts'
import type { DeliveryLease } from './store-host.ts'

/** Who waits for the outcome of a delivery. */
export interface Waiter {
  resolve(outcome: EventOutcome): void
  reject(error: unknown): void
}

/**
 * One event on its way through the bus; with a lease, one that a store keeps. One is made for every event, so its fields are declared and written once, by the constructor.
 */
export class Delivery implements Ordered {
  /** What handlers get: until it is accepted, filters and middleware may exchange it. */
  declare message: EventMessage
  declare readonly definition: AnyDefinition
  /** What was published, if upcasting or parsing changed it. */
  declare input: EventMessage | undefined
  /** The event priority it was published with. */
  declare readonly priority: number
  declare laneKey: string | undefined
  declare state: 'offered' | 'waiting' | 'running' | 'gone'
  declare key: number
  declare at: number
  declare order: number
  declare lane: Lane | undefined
  declare session: SessionState | undefined
  declare waiter: Waiter | undefined
  /**
   * The handler that is being started or settled, or the only one of the current group. It is kept here, and not by the
   * dispatch, because storing something new in something old makes work for the garbage collector.
   */
  declare call: HandlerCall | undefined
  /** The handler that waits for it, if it runs as part of one. */
  declare parent: HandlerCall | undefined
  /** It was ended before it began. */
  declare ended: Unfinished | undefined
  /** What ties it to a store, if it is durable. */
  declare lease: DeliveryLease | undefined

  constructor(message: EventMessage, definition: AnyDefinition, priority: number) {
    this.message = message
    this.definition = definition
    this.input = undefined
    this.priority = priority
    this.laneKey = undefined
    this.state = 'offered'
    this.key = 0
    this.at = 0
    this.order = 0
    this.lane = undefined
    this.session = undefined
    this.waiter = undefined
    this.call = undefined
    this.parent = undefined
    this.ended = undefined
    this.lease = undefined
  }

  /** System events are counted apart, skip filters, and enter beyond the bound. */
  get system(): boolean {
    return this.definition.system
  }

  /** Failures of its handlers announce nothing further (R-ERR-3). */
  get quiet(): boolean {
    return this.definition.options.failureEvent === true || this.parent?.delivery?.quiet === true
  }

  /** The types of the events whose handlers wait inside each other for this one, outermost first, and its own. */
  get chain(): readonly string[] {
    const { parent } = this
    return [...(parent?.delivery?.chain ?? (parent ? [parent.message.type] : [])), this.message.type]
  }
}

export const isGone = (delivery: Delivery): boolean => delivery.state !== 'waiting'
