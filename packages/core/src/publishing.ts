import { decode, type Definitions } from './definitions.ts'
import { Delivery } from './delivery.ts'
import { aborted, asBusError, BusError, isBusError, NestedWaitError } from './errors.ts'
import type { AddedOptions } from './check.ts'
import type { Clock } from './clock.ts'
import type { HandlerCall } from './handler-call.ts'
import { type Intake, receipt } from './intake.ts'
import type { Lanes } from './lanes.ts'
import { createLimit, type Limit } from './limit.ts'
import { type AnyDefinition, BUS, copyMessage, definitionOf, type EventMessage, type Message } from './message.ts'
import type { Observers } from './observer.ts'
import type { PublishAndWaitOptions, PublishOptions, PublishReceipt, ScheduleOptions } from './options.ts'
import { createOutcome, type EventOutcome } from './outcome.ts'
import { HandlerPriority } from './priority.ts'
import { checkOffer, type Keeping, type OfferOptions, type OfferVerb } from './publish-options.ts'
import { runPublishHooks } from './publish-hooks.ts'
import type { Routing } from './routing.ts'
import { readWhen, type Scheduled, type ScheduledEvent, type Scheduler } from './scheduler.ts'
import type { SessionState } from './session.ts'
import type { BusState } from './stats.ts'
import type { DeliveryLease, StoreIntent, StoreRunner } from './store-host.ts'
import { isThenable, noop } from './thenable.ts'
import type { Timer } from './timers.ts'
import { Watched } from './watched.ts'

/** Decides whether an event is accepted; see the shipped filters. It must answer at once, with a boolean. */
export type EventFilter = (event: EventMessage) => boolean

/** Which events are handled one after another: those with the same key. `undefined` means no order with any other. */
export type LaneFunction = (event: EventMessage) => string | undefined

/** What publishing needs of the bus around it. */
export interface PublishingHost {
  readonly definitions: Definitions
  readonly routing: Routing
  readonly intake: Intake
  readonly lanes: Lanes
  readonly scheduler: Scheduler
  readonly clock: Clock
  readonly observers: Observers
  readonly lane: LaneFunction | undefined
  readonly maxNestedWaits: number
  readonly filters: ReadonlySet<EventFilter>
  readonly state: BusState
  readonly callers: { readonly size: number }
  readonly added: AddedOptions
  readonly called: () => void
  readonly store: StoreRunner | undefined
  /** Whether filters, publish middleware, a lane function or observers want to see every event. */
  readonly screens: boolean
  session(id: string): SessionState | undefined
  /** @throws {BusError} `BUS_STOPPED`, `SESSION_ENDED` */
  requireOpen(sessionId: string, call: HandlerCall | undefined): void
  /** The handler that publishes, if one does. */
  publisher(call: HandlerCall | undefined): HandlerCall | undefined
  /** Ends an event that waits or runs; `stays`: one that a store keeps, of which only the wait ends. */
  cut(delivery: Delivery, status: 'timed-out' | 'aborted', error: BusError, stays?: boolean): void
  accepted(delivery: Delivery): void
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer | undefined): void
  /** A publish was refused and nobody awaits it. */
  readonly unheard: (error: unknown) => void
  checkQuiet(): void
}

type Eventually<T> = T | Promise<T>

/** The end of the way in: where publish, publishAndWait and schedule differ. */
interface Entrance<Result> {
  readonly verb: OfferVerb
  enter(offer: Offer<Result>): Eventually<Result>
  filtered(message: EventMessage, options: OfferOptions | undefined): Result
}

/** One event on its way in. */
interface Offer<Result> {
  readonly entrance: Entrance<Result>
  readonly delivery: Delivery
  readonly options: OfferOptions | undefined
  readonly call: HandlerCall | undefined
  readonly limit: Limit | undefined
  readonly keeping: Keeping
  /** What was published, before a schema parsed it. */
  readonly input: EventMessage
  /** The session it was offered to, which may have ended when a schema or middleware answers. */
  readonly session: SessionState | undefined
}

/** Hops 1 and 2 of an event's path: from the call, through checks, filters and middleware, into the queue. */
export class Publishing {
  /** Publishes whose schema or middleware has not answered yet. */
  accepting = 0
  readonly #host: PublishingHost

  constructor(host: PublishingHost) {
    this.#host = host
  }

  publish(event: EventMessage, options?: PublishOptions, call?: HandlerCall): Promise<PublishReceipt> {
    const host = this.#host
    if (host.callers.size > 0) host.called()
    const definition = typeof event === 'object' && event !== null ? definitionOf(event) : undefined
    // The same way as below, without the steps that have nothing to do: this is what most events take.
    if (
      options === undefined &&
      call === undefined &&
      definition !== undefined &&
      definition.plain &&
      definition === host.definitions.last &&
      event.version === definition.version &&
      host.state === 'running' &&
      host.intake.plain &&
      !host.screens
    ) {
      const { sessionId } = event
      const session = sessionId === BUS ? undefined : host.session(sessionId)
      if (session === undefined || session.status === 'open') {
        const delivery = new Delivery(event, definition, HandlerPriority.NORMAL)
        delivery.laneKey = sessionId
        delivery.session = session
        host.intake.counts.offered++
        host.intake.enqueue(delivery, host.lanes.acceptedAt())
        return Promise.resolve({ id: event.id, status: 'accepted', durability: 'memory' })
      }
    }
    return this.#offer(this.#publish, event, options, call)
  }

  publishAndWait(event: EventMessage, options?: PublishAndWaitOptions, call?: HandlerCall): Promise<EventOutcome> {
    this.#host.called()
    return this.#offer(this.#publishAndWait, event, options, call)
  }

  schedule(event: EventMessage, options: ScheduleOptions, call?: HandlerCall): Promise<ScheduledEvent> {
    this.#host.called()
    return this.#offer(this.#schedule, event, options ?? {}, call)
  }

  /**
   * Takes in an event of the bus itself: no filters, no bound, no receipt. That a session started or ended keeps its place
   * in the session's lane; the others have a lane beside it, so that an alarm does not wait behind what it warns of.
   */
  publishSystem(message: EventMessage, definition: AnyDefinition): void {
    const { type, sessionId } = message
    const delivery = new Delivery(message, definition, HandlerPriority.NORMAL)
    this.#place(delivery, type.startsWith('buslane.session.') ? sessionId : `buslane.${sessionId}`)
    this.#host.intake.admit(delivery)
  }

  /** Takes in an event once more, with something that says which of its handlers run. */
  async redeliver(input: EventMessage, definition: AnyDefinition, lease: DeliveryLease): Promise<void> {
    const message = await decode(input, definition)
    this.#host.requireOpen(BUS, undefined)
    const delivery = new Delivery(message, definition, HandlerPriority.NORMAL)
    const { lane, lanes, intake } = this.#host
    delivery.lease = lease
    this.#place(delivery, lane ? laneOf(lane, message) : message.sessionId)
    const at = lanes.acceptedAt()
    intake.admitStored(delivery, at, at)
  }

  /** Takes in a scheduled event that is due. */
  admitDue({ message, definition, input, priority, laneKey }: Scheduled, lateMs: number): void {
    const { intake, clock } = this.#host
    const delivery = new Delivery(message, definition, priority)
    delivery.input = input
    this.#place(delivery, laneKey)
    intake.admitDue(delivery, clock.monotonic() - lateMs)
  }

  readonly #publish: Entrance<PublishReceipt> = {
    verb: 'publish',
    enter: (offer) => {
      const { delivery, options, call } = offer
      if (offer.keeping !== 'memory') return this.#store((store) => store.publish(intentOf(offer)))
      const admission = this.#host.intake.offer(delivery, call, options?.signal)
      return typeof admission === 'string' ? receipt(delivery, admission) : admission
    },
    filtered: ({ id }) => ({ id, status: 'filtered', durability: 'memory' }),
  }

  readonly #publishAndWait: Entrance<EventOutcome> = {
    verb: 'publishAndWait',
    enter: (offer) => {
      const { delivery, call, limit } = offer
      const { intake } = this.#host
      const parent = this.#host.publisher(call)
      if (offer.keeping !== 'memory') return this.#storeAndWait(offer, parent)
      const ends = Promise.withResolvers<EventOutcome>()
      const reject = (error: unknown): void => {
        limit?.end()
        ends.promise.catch(noop)
        ends.reject(error)
      }
      const resolve = (outcome: EventOutcome): void => {
        limit?.end()
        ends.resolve(outcome)
      }
      delivery.waiter = { resolve, reject }
      if (limit) limit.onEnd = (status, error) => this.#host.cut(delivery, status, error)
      // Afterwards, since an observer that is told of the event may drop or end it.
      const admission = parent ? this.#enterNested(delivery, parent) : intake.offer(delivery, call, limit?.signal)
      // Accepted at once: nothing that can still go wrong is a refusal. Otherwise, one may go unheard.
      if (admission === 'accepted') return ends.promise
      if (admission === 'dropped') {
        reject(new BusError('EVENT_DROPPED', `'${delivery.message.type}' was dropped because the queue is full`))
      } else {
        admission.then(noop, reject)
      }
      return Watched.of(ends.promise, this.#host.unheard)
    },
    filtered: ({ id, type }) => createOutcome(id, type, 'filtered', []),
  }

  readonly #schedule: Entrance<ScheduledEvent> = {
    verb: 'schedule',
    enter: (offer) => {
      const { delivery, options, keeping } = offer
      const { scheduler, observers, clock } = this.#host
      const { message, priority } = delivery
      const when = readWhen(options as ScheduleOptions, clock)
      if (keeping !== 'memory') {
        return this.#store((store) => store.schedule({ ...intentOf(offer), when, required: keeping === 'stored' }))
      }
      const scheduled = scheduler.schedule(delivery, when)
      const { dueAt } = when
      if (observers.any) observers.tell('eventAccepted', message, { priority, dueAt })
      const cancel = async (): Promise<'cancelled' | 'too-late'> => scheduler.cancelled(scheduled)
      return { id: message.id, status: 'accepted', durability: 'memory', dueAt, cancel }
    },
    filtered: ({ id }, options) => {
      const { dueAt } = readWhen(options as ScheduleOptions, this.#host.clock)
      return { id, status: 'filtered', durability: 'memory', dueAt, cancel: async () => 'cancelled' }
    },
  }

  #offer<Result>(
    entrance: Entrance<Result>,
    event: EventMessage,
    options: OfferOptions | undefined,
    call: HandlerCall | undefined,
  ): Promise<Result> {
    try {
      const result = this.#accept(entrance, event, options, call)
      return result instanceof Promise ? result : Promise.resolve(result)
    } catch (error) {
      return Watched.refused<Result>(error, this.#host.unheard)
    }
  }

  #accept<Result>(
    entrance: Entrance<Result>,
    event: EventMessage,
    options: OfferOptions | undefined,
    call: HandlerCall | undefined,
  ): Eventually<Result> {
    const host = this.#host
    let delivery: Delivery
    let decoded: Eventually<EventMessage>
    let keeping: Keeping = 'memory'
    let input: EventMessage
    let limit: Limit | undefined
    try {
      const definition = host.definitions.of(event, 'event')
      const message = call === undefined ? event : carryOn(event, call.message)
      host.requireOpen(message.sessionId, call)
      if (options !== undefined || definition.durable === true) {
        keeping = checkOffer(
          entrance.verb,
          event.type,
          options === undefined ? {} : options,
          definition.durable === true,
          host,
        )
        if (keeping === 'stored') host.store!.requireStorable(event.type)
        requireUnaborted(entrance, event, options)
      }
      input = message
      delivery = new Delivery(message, definition, options?.priority ?? HandlerPriority.NORMAL)
      const plain = definition.schema === undefined && message.version === definition.version
      decoded = plain ? message : decode(message, definition)
      if (options !== undefined && entrance.verb === 'publishAndWait') {
        limit = createLimit(host, `publishAndWait of '${event.type}'`, options)
      }
    } catch (error) {
      return this.#refuse(event, error)
    }
    const session = host.session(delivery.message.sessionId)
    const offer: Offer<Result> = { entrance, delivery, options, call, limit, keeping, input, session }
    if (!isThenable(decoded)) {
      if (decoded !== input) exchange(delivery, decoded, input)
      return this.#filter(offer, false)
    }
    const filter = (message: EventMessage): Eventually<Result> => {
      exchange(delivery, message, input)
      return this.#filter(offer, true)
    }
    const answered = decoded.then(filter, (error) => this.#refuse(event, error, limit))
    return this.#meanwhile(answered, limit)
  }

  #filter<Result>(offer: Offer<Result>, late: boolean): Eventually<Result> {
    const { filters, routing } = this.#host
    const { delivery } = offer
    const hooks = routing.publishHooks
    if (delivery.definition.system || (filters.size === 0 && hooks.length === 0)) return this.#enter(offer, late)
    for (const filter of filters) {
      try {
        const passes: unknown = filter(delivery.message)
        if (passes === false) return this.#turnAway(offer)
        if (passes === true) continue
        if (isThenable(passes)) passes.then(noop, noop)
        throw new TypeError('a filter must return a boolean, at once')
      } catch (error) {
        return this.#refuse(delivery.message, filterFailed('filter', delivery, error), offer.limit)
      }
    }
    if (hooks.length === 0) return this.#enter(offer, late)
    return runPublishHooks<Result>(hooks, delivery, {
      verb: offer.entrance.verb,
      enter: (later) => this.#enter(offer, late || later),
      turnAway: () => this.#turnAway(offer),
      refuse: (error) =>
        this.#refuse(delivery.message, filterFailed('publish middleware', delivery, error), offer.limit),
      wait: (answer) => this.#meanwhile(answer, offer.limit),
      unheard: (error) => this.#host.unheard(error),
    })
  }

  /** `late`: time has passed since the call, so that what was true then may not be true now. */
  #enter<Result>(offer: Offer<Result>, late: boolean): Eventually<Result> {
    const { lane } = this.#host
    const { entrance, delivery, options, call, limit } = offer
    const { message, definition } = delivery
    let laneKey: unknown = message.sessionId
    try {
      if (late) {
        this.#host.requireOpen(message.sessionId, call)
        requireUnaborted(entrance, message, options)
        if (limit?.error) throw limit.error
        if (offer.session?.status === 'ended')
          throw new BusError('SESSION_ENDED', `Session '${message.sessionId}' has ended`)
      }
      if (lane !== undefined && !definition.system) laneKey = laneOf(lane, message)
    } catch (error) {
      return this.#refuse(message, error, limit)
    }
    this.#place(delivery, laneKey as string | undefined)
    try {
      return entrance.enter(offer)
    } catch (error) {
      limit?.end()
      throw error
    }
  }

  #place(delivery: Delivery, laneKey: string | undefined): void {
    const { sessionId } = delivery.message
    delivery.laneKey = laneKey
    if (sessionId !== BUS) delivery.session = this.#host.session(sessionId)
  }

  /** The event runs at once, as part of the handler that waits for it. */
  #enterNested(delivery: Delivery, call: HandlerCall): 'accepted' {
    this.#nest(delivery, call)
    this.#host.accepted(delivery)
    this.#host.lanes.runNested(delivery)
    return 'accepted'
  }

  #nest(delivery: Delivery, call: HandlerCall): void {
    const { maxNestedWaits } = this.#host
    delivery.parent = call
    const { chain } = delivery
    if (chain.length > maxNestedWaits + 1) this.#refuse(delivery.message, new NestedWaitError(maxNestedWaits, chain))
  }

  /** What the store refuses is told and, if nobody awaits it, logged, as any refusal. Until it has answered the bus is not idle. */
  #store<Result>(call: (store: StoreRunner) => Promise<Result>): Promise<Result> {
    return this.#meanwhile(call(this.#host.store!), undefined)
  }

  /** A stored event that this process handles and somebody waits for. */
  #storeAndWait(offer: Offer<EventOutcome>, parent: HandlerCall | undefined): Promise<EventOutcome> {
    const { delivery, limit } = offer
    if (parent) this.#nest(delivery, parent)
    const { promise, resolve, reject } = Watched.make<EventOutcome>(this.#host.unheard)
    const refused = (error: unknown): void => {
      limit?.end()
      reject(error)
    }
    const settled = (outcome: EventOutcome): void => {
      limit?.end()
      resolve(outcome)
    }
    delivery.waiter = { resolve: settled, reject: refused }
    const intent = intentOf(offer)
    if (limit) limit.onEnd = (status, error) => this.#host.cut(intent.delivery, status, error, true)
    this.#store((store) => store.publishAndWait(intent)).catch(refused)
    return promise
  }

  #meanwhile<Value>(work: Promise<Value>, limit: Limit | undefined): Promise<Value> {
    const { promise, resolve, reject } = Watched.make<Value>(this.#host.unheard)
    this.accepting++
    const answered = (): void => {
      this.accepting--
      this.#host.checkQuiet()
    }
    work.then(resolve, reject)
    work.then(answered, answered)
    if (limit) limit.onEnd = (_status, error) => reject(error)
    return promise
  }

  #turnAway<Result>({ entrance, delivery: { message }, options, limit }: Offer<Result>): Result {
    const { intake, observers } = this.#host
    limit?.end()
    intake.count('filtered')
    if (observers.any) observers.tell('eventRefused', message, { reason: 'filtered' })
    return entrance.filtered(message, options)
  }

  /** Counts and tells of an event that does not come as far as the queue, and throws why. */
  #refuse(event: EventMessage, error: unknown, limit?: Limit): never {
    const { intake, observers } = this.#host
    limit?.end()
    const apart = isBusError(error, 'PERSISTENCE_UNAVAILABLE') || event?.type?.startsWith?.('buslane.')
    if (!apart) intake.count('rejected')
    if (observers.any) observers.tell('eventRefused', event, { reason: 'rejected', error })
    throw error
  }
}

const intentOf = <Result>({ delivery, input, options, limit }: Offer<Result>): StoreIntent => ({
  delivery,
  input: delivery.message === input ? input : copyMessage(delivery.message, { payload: input.payload }, input.version),
  idempotencyKey: options?.idempotencyKey,
  expiresInMs: options?.expiresInMs === Infinity ? undefined : options?.expiresInMs,
  transaction: options?.transaction,
  signal: limit?.signal ?? options?.signal,
})

const exchange = (delivery: Delivery, message: EventMessage, input: EventMessage): void => {
  delivery.message = message
  delivery.input = input
}

const requireUnaborted = <Result>(entrance: Entrance<Result>, event: EventMessage, options?: OfferOptions): void => {
  if (options?.signal?.aborted) throw aborted(`${entrance.verb} of '${event.type}'`, options.signal.reason)
}

const filterFailed = (what: string, { message }: Delivery, error: unknown): BusError =>
  asBusError(error, 'FILTER_FAILED', `A ${what} failed, so '${message.type}' was not accepted`)

const laneOf = (lane: LaneFunction, message: EventMessage): string | undefined => {
  try {
    const key: unknown = lane(message)
    if (key === undefined || typeof key === 'string') return key
    throw new TypeError(`a lane is a string or undefined, not ${typeof key}`)
  } catch (error) {
    throw asBusError(error, 'LANE_FAILED', `The lane of '${message.type}' cannot be told`)
  }
}

/** The message as part of the conversation of `from`, where it does not say otherwise itself. */
export const carryOn = <M extends Message>(message: M, from: Message): M => {
  const { id, correlationId, causationId, sessionId } = message
  return copyMessage(message, {
    correlationId: correlationId === id ? from.correlationId : correlationId,
    causationId: causationId ?? from.id,
    sessionId: sessionId === BUS ? from.sessionId : sessionId,
  })
}
