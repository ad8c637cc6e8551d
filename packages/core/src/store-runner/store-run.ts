import { Delivery } from '../delivery.ts'
import { decode } from '../definitions.ts'
import { nextTurn } from '../clock.ts'
import { BusError, describe, invalid } from '../errors.ts'
import { BUS } from '../message.ts'
import type { PublishReceipt } from '../options.ts'
import type { Appended, Claimed, ClaimedEvent, EventStore, NewEvent, Report, Reported } from '../persistence.ts'
import type { ScheduledEvent, When } from '../scheduler.ts'
import type { StoreHost, StoreIntent, StoreRunCounts, StoreRunner, StoreStatus } from '../store-host.ts'
import { noop } from '../thenable.ts'
import { Appender } from './appender.ts'
import { Claimer } from './claimer.ts'
import { Connection } from './connection.ts'
import { EventLogWriter } from './event-log-writer.ts'
import { HandledTypes } from './handled-types.ts'
import { Later } from './later.ts'
import { Reporter } from './reporter.ts'
import { leaseLost, type LeaseHost, namesOf, StoredDelivery } from './stored-delivery.ts'
import { loadMessage, namedLane, requireText, storeMessage } from './stored-message.ts'
import { isFinal } from './unavailable.ts'

type Counts = { -readonly [Name in keyof StoreRunCounts]: number }
type Stored = Appended & { readonly status: 'stored' }

/** The runner of one store for one bus: its parts, and what passes between them. */
export class StoreRun implements StoreRunner, LeaseHost {
  readonly store: EventStore
  readonly #bus: StoreHost
  readonly #connection: Connection
  readonly #appender: Appender
  readonly #reporter: Reporter
  readonly #claimer: Claimer
  readonly #types: HandledTypes
  readonly #later: Later
  readonly #log: EventLogWriter | undefined
  /** What is leased to this process, by key. */
  readonly #held = new Map<string, StoredDelivery>()
  /** Somebody waits for these, and only this process may claim them. By key. */
  readonly #awaited = new Map<string, StoreIntent>()
  /** By what is held, or was, of an event that somebody waits for. */
  readonly #waits = new WeakMap<Delivery, StoreIntent>()
  readonly #lanes = new Map<string, number>()
  #begun = 0
  #serial = 0
  /** Calls that lease something, and have not been answered. */
  readonly #asked = new Set<Promise<unknown>>()
  /** Events whose payload is being parsed. */
  readonly #decoded = new Set<Promise<void>>()
  #released = 0
  readonly #counts: Counts = {
    appended: 0,
    duplicates: 0,
    claimed: 0,
    completed: 0,
    retried: 0,
    released: 0,
    deferred: 0,
    undecodable: 0,
    dead: 0,
    lost: 0,
    rescued: 0,
    unlogged: 0,
  }

  constructor(store: EventStore, bus: StoreHost) {
    const { batchSize, parallelAppends } = store.settings
    this.store = store
    this.#bus = bus
    const connection = new Connection(store, bus, { up: () => this.#up(), lost: () => this.#workerLost() })
    this.#connection = connection
    this.#appender = new Appender({
      batchSize,
      parallelAppends,
      append: async (events) => this.#count(await this.#leasing(() => store.append(events, connection.worker))),
    })
    this.#reporter = new Reporter({
      batchSize,
      report: (reports) => connection.call(() => store.report(reports)),
      whenUp: () => this.#whenUp(),
      refused: (report, error) => this.#reportRefused(report, error),
    })
    this.#types = new HandledTypes(bus)
    this.#later = new Later(bus)
    const { eventLog } = bus
    this.#log =
      eventLog &&
      new EventLogWriter(eventLog, bus, {
        batchSize,
        write: (messages) => connection.call(() => eventLog.write(messages)),
        whenUp: () => this.#whenUp(),
      })
    this.#claimer = new Claimer(
      store,
      bus,
      {
        get holdings() {
          return run.#holdings
        },
        types: () => this.#types.list,
        ask: (request) => this.#leasing(() => store.claim(request)),
        claimed: (claimed) => this.#claimed(claimed),
        rescued: (count) => void (this.#counts.rescued += count),
      },
      connection,
    )
    // oxlint-disable-next-line no-this-alias -- the getter above has a `this` of its own
    const run = this
  }

  // -- what the bus calls ---------------------------------------------------------------------------------------------

  get status(): StoreStatus {
    const { state, trouble } = this.#connection
    return {
      state: state.is,
      trouble,
      notes: this.#types.notes,
      leased: this.#held.size,
      toBeStored: this.#later.size,
      counts: { ...this.#counts, unlogged: this.#log?.lost ?? 0 },
    }
  }

  get pending(): number {
    return this.#appender.pending + this.#decoded.size + (this.#claimer.busy ? 1 : 0)
  }

  requireStorable(type: string): void {
    this.#types.requireStorable(type)
  }

  async start(): Promise<void> {
    this.#released = 0
    // Trouble is reported by the connection, and does not keep the bus from starting.
    await this.#connection.ready(true).catch(noop)
  }

  /** The bus takes events from now on, or has room for more. */
  wanted(): void {
    this.#claimer.enable()
  }

  async pause(): Promise<number> {
    this.#claimer.disable()
    const releases: Promise<void>[] = []
    for (const held of this.#held.values()) {
      if (held.delivery.state === 'waiting' && held.delivery.waiter === undefined) releases.push(this.#giveBack(held))
    }
    // Not awaited when the store is away: the leases end by themselves.
    if (this.#connection.isUp) await Promise.race([Promise.all(releases), this.#connection.change])
    const count = this.#released
    this.#released = 0
    return count
  }

  async stop(): Promise<number> {
    this.#claimer.disable()
    const { connectMs } = this.store.settings
    for (const held of this.#held.values()) if (!held.begun && !held.over) void held.release()
    const limit = Promise.withResolvers<void>()
    const timer = this.#bus.after(connectMs, limit.resolve)
    const written = Promise.all([this.#reporter.flushed(), this.#appender.settled(), this.#log?.flushed()])
    const gone = this.#connection.isUp ? this.#connection.change : Promise.resolve()
    await Promise.race([written, limit.promise, gone])
    this.#bus.cancel(timer)
    this.#claimer.close()
    const left = await this.#connection.leave(connectMs)
    await this.#connection.close()
    for (const held of this.#held.values()) this.#forget(held)
    const stopped = new BusError(
      'BUS_STOPPED',
      'The bus stopped before the stored event had begun; it stays in the store',
    )
    for (const { delivery } of this.#awaited.values()) delivery.waiter?.reject(stopped)
    this.#awaited.clear()
    const count = this.#released + left
    this.#released = 0
    return count
  }

  gate(type: string, open: boolean): void {
    this.#types.gate(type, open)
    if (open) this.#claimer.wake()
  }

  handlersChanged(): void {
    if (this.#types.changed()) this.#claimer.up()
  }

  async publish(intent: StoreIntent): Promise<PublishReceipt> {
    const { delivery, transaction } = intent
    const appended = await this.#append(intent, { keep: true, mine: false })
    const { id } = delivery.message
    if (appended.status === 'duplicate') {
      this.#counts.duplicates++
      return { id: appended.id, status: 'duplicate', durability: 'stored' }
    }
    this.#bus.accepted(delivery, undefined)
    if (transaction === undefined) this.#arrived(delivery, appended, intent.expiresInMs)
    return { id, status: 'accepted', durability: 'stored' }
  }

  async publishAndWait(intent: StoreIntent): Promise<void> {
    const { delivery } = intent
    const { type, sessionId } = delivery.message
    if (this.#bus.plan(type, sessionId).length === 0) {
      throw new BusError('NO_HANDLER', `'${type}' has no handler in this process, so it cannot be waited for here`)
    }
    await this.#connection.ready(true)
    const appended = (await this.#append(intent, { keep: true, mine: true })) as Stored
    this.#bus.accepted(delivery, undefined)
    // The wait was over before it was stored: the event is nobody's in particular now.
    if (delivery.waiter === undefined) delivery.parent = undefined
    else this.#waits.set(delivery, intent)
    if (appended.lease) this.#arrived(delivery, appended, intent.expiresInMs)
    else {
      this.#awaited.set(appended.key, intent)
      this.#claimer.wake()
    }
  }

  async schedule(intent: StoreIntent & { readonly when: When; readonly required: boolean }): Promise<ScheduledEvent> {
    const { delivery, when, required, transaction } = intent
    const { id } = delivery.message
    // Refused for good if it cannot be written down, wherever it is to be kept.
    const event = this.#newEvent(intent, { keep: false, mine: false })
    const { dueAt } = when
    try {
      await this.#connection.ready(false)
      const appended = await this.#write(event, transaction)
      if (appended.status === 'duplicate') {
        this.#counts.duplicates++
        const cancel = async (): Promise<'too-late'> => 'too-late'
        return { id: appended.id, status: 'accepted', durability: 'stored', dueAt, cancel }
      }
      this.#bus.accepted(delivery, dueAt)
      if (transaction === undefined) this.#soon(appended)
      const cancel = (): Promise<'cancelled' | 'too-late'> => this.#cancel(appended.key)
      delivery.session?.storedSchedules.add(cancel, dueAt, this.#bus.clock.now())
      return { id, status: 'accepted', durability: 'stored', dueAt, cancel }
    } catch (error) {
      if (required || isFinal(error)) throw error
      this.#bus.accepted(delivery, dueAt)
      const later = this.#later.add(delivery, when, event, (key) => this.#cancel(key))
      return { id, status: 'accepted', durability: 'memory', dueAt, cancel: () => later.cancel() }
    }
  }

  // -- into the store -------------------------------------------------------------------------------------------------

  #newEvent(intent: StoreIntent, { keep, mine }: { readonly keep: boolean; readonly mine: boolean }): NewEvent {
    const { delivery, input, when, idempotencyKey, expiresInMs, transaction } = intent
    const { definition, priority, parent } = delivery
    const { ageingMs, clock } = this.#bus
    // What runs as part of a handler is outside lanes (R-PUB-3).
    const lane = parent ? undefined : namedLane(delivery.laneKey)
    if (lane !== undefined) requireText(lane, `The lane of '${input.type}'`)
    if (idempotencyKey !== undefined) requireText(idempotencyKey, `The idempotencyKey of '${input.type}'`)
    const keeps = keep && transaction === undefined && (parent !== undefined || this.#keeps(delivery))
    return {
      message: storeMessage(input, expiresInMs, this.store.codec),
      lane,
      serial: parent === undefined && delivery.laneKey === BUS,
      priority,
      orderOffsetMs: ageingMs === Infinity ? undefined : (priority - 50) * ageingMs,
      due: when && (when.wall ? { at: when.dueAt } : { delayMs: Math.max(0, when.timerAt - clock.monotonic()) }),
      expiresInMs,
      idempotencyKey,
      onCrash: definition.options.onCrash ?? 'retry',
      keep: keeps
        ? { start: this.#startsAtOnce(delivery), laneStart: lane === undefined ? 1 : this.#claimer.laneStart }
        : undefined,
      mine,
    }
  }

  /** Whether an event that is published here would be handled here soon. */
  #keeps({ definition, message }: Delivery): boolean {
    const { slotsFree, waiting } = this.#holdings
    const pending = this.#appender.pending
    return (
      this.#claimer.enabled &&
      this.#connection.worker !== undefined &&
      this.#types.handles(definition.type, message.version) &&
      waiting + pending < slotsFree + this.#claimer.ahead
    )
  }

  /** The handlers with which it may be recorded as started. */
  #startsAtOnce(delivery: Delivery): readonly string[] | undefined {
    const { definition, message, laneKey, parent } = delivery
    if (definition.options.onCrash === 'fail') return undefined
    const pending = this.#appender.pending
    const idle = laneKey === undefined || (this.#bus.laneIdle(laneKey) && (laneKey !== BUS || pending === 0))
    const beginsAtOnce = parent !== undefined || (idle && this.#bus.slotsFree > pending)
    if (!beginsAtOnce && !this.#claimer.startsAhead) return undefined
    const plan = this.#bus.plan(message.type, message.sessionId)
    return plan.length > 0 ? namesOf(plan) : undefined
  }

  #append(intent: StoreIntent, how: { readonly keep: boolean; readonly mine: boolean }): Promise<Appended> {
    const append = (): Promise<Appended> => {
      if (intent.signal?.aborted)
        throw new BusError('ABORTED', 'The publish was aborted', { cause: intent.signal.reason })
      return this.#write(this.#newEvent(intent, how), intent.transaction)
    }
    return this.#connection.isUp ? append() : this.#connection.ready(how.mine).then(append)
  }

  #write(event: NewEvent, transaction: unknown): Promise<Appended> {
    if (transaction === undefined) return this.#appender.append(event)
    if (!this.store.appendIn) throw invalid('The store of this bus cannot join transactions')
    return this.store.appendIn(transaction, event).then((appended) => {
      this.#count([appended])
      return appended
    })
  }

  #count(answers: readonly Appended[]): readonly Appended[] {
    for (const { status } of answers) if (status === 'stored') this.#counts.appended++
    return answers
  }

  /** The event is stored: it is leased here already, or has to be claimed. */
  #arrived(delivery: Delivery, appended: Stored, expiresInMs: number | undefined): void {
    const { lease, acceptedAt, orderKey, started } = appended
    if (!lease) return this.#claimer.wake()
    const held = new StoredDelivery(this, delivery, {
      lease,
      lane: delivery.parent ? undefined : namedLane(delivery.laneKey),
      serial: delivery.laneKey === BUS && delivery.parent === undefined,
      onCrash: delivery.definition.options.onCrash ?? 'retry',
      started,
      interruptions: 0,
      handlers: started ? namesOf(this.#bus.plan(delivery.message.type, delivery.message.sessionId)) : undefined,
      progress: {},
      deferredSinceMs: undefined,
      expiresAt: expiresInMs === undefined ? undefined : acceptedAt + expiresInMs + this.#connection.offset,
    })
    this.#hold(held)
    if (delivery.parent !== undefined) this.#bus.admitNested(delivery)
    else this.#admit(held, orderKey, acceptedAt)
  }

  #soon({ acceptedAt, dueAt }: Stored): void {
    if (dueAt - acceptedAt < this.store.settings.pollMs) this.#claimer.poll()
  }

  async #cancel(key: string): Promise<'cancelled' | 'too-late'> {
    await this.#connection.ready(false)
    return this.#connection.call(() => this.store.cancel(key))
  }

  // -- out of the store -----------------------------------------------------------------------------------------------

  get #holdings() {
    return {
      slotsFree: this.#bus.slotsFree,
      waiting: this.#held.size - this.#begun + this.#decoded.size,
      serial: this.#serial,
      lanes: this.#lanes.size,
    }
  }

  #claimed({ events, now }: Claimed): void {
    this.#counts.claimed += events.length
    for (const event of events) {
      const held = this.#read(event, now)
      if (held) this.#decode(held, event)
    }
  }

  /** What was claimed, as a delivery whose payload has not been parsed yet. */
  #read(event: ClaimedEvent, now: number): StoredDelivery | undefined {
    const { lease, message: stored, acceptedAt, deferredSince } = event
    const definition = this.#bus.definition(stored.type)
    const facts = { ...event, expiresAt: undefined, deferredSinceMs: deferredSince && now - deferredSince }
    if (!definition) {
      this.#send({ kind: 'release', lease })
      return undefined
    }
    let delivery = this.#awaited.get(lease.key)?.delivery
    this.#awaited.delete(lease.key)
    try {
      const { message, expiresInMs } = loadMessage(stored, definition, this.store.codec)
      delivery ??= new Delivery(message, definition, event.priority)
      delivery.laneKey = event.lane ?? (event.serial ? BUS : undefined)
      const expiresAt = expiresInMs === undefined ? undefined : acceptedAt + expiresInMs + this.#connection.offset
      return new StoredDelivery(this, delivery, { ...facts, expiresAt })
    } catch (error) {
      const { type, id } = stored
      this.#counts.undecodable++
      this.#bus.logger.error({ error, id }, `A stored '${type}' cannot be read and is set aside: ${describe(error)}`)
      new StoredDelivery(this, new Delivery(stored as never, definition, event.priority), facts).undecodable(error)
      return undefined
    }
  }

  #decode(held: StoredDelivery, { orderKey, acceptedAt, expired }: ClaimedEvent): void {
    const { delivery } = held
    if (expired) return held.expire()
    const admit = (message: Delivery['message']): void => {
      delivery.message = message
      this.#hold(held)
      this.#admit(held, orderKey, acceptedAt)
    }
    const refuse = (error: unknown): void => {
      const { type, id } = delivery.message
      this.#counts.undecodable++
      this.#bus.logger.error({ error, id }, `A stored '${type}' cannot be read and is set aside: ${describe(error)}`)
      held.undecodable(error)
      delivery.waiter?.reject(error)
    }
    // What waits here was parsed when it was published.
    if (delivery.waiter !== undefined) return admit(delivery.message)
    try {
      const decoded = decode(delivery.message, delivery.definition)
      if (!(decoded instanceof Promise)) return admit(decoded)
      const admitted = decoded.then(admit, refuse).finally(() => {
        this.#decoded.delete(admitted)
        this.#bus.checkQuiet()
      })
      this.#decoded.add(admitted)
    } catch (error) {
      refuse(error)
    }
  }

  #hold(held: StoredDelivery): void {
    const { lease, lane, serial } = held.facts
    this.#held.set(lease.key, held)
    held.delivery.lease = held
    if (serial) this.#serial++
    if (lane !== undefined) this.#lanes.set(lane, (this.#lanes.get(lane) ?? 0) + 1)
  }

  #admit(held: StoredDelivery, orderKey: number, acceptedAt: number): void {
    const { offset } = this.#connection
    const key = this.#bus.ageingMs === Infinity ? orderKey : orderKey + offset
    this.#bus.admit(held.delivery, key, acceptedAt + offset)
  }

  #forget(held: StoredDelivery): void {
    const { lease, lane, serial } = held.facts
    held.over = true
    if (this.#held.get(lease.key) !== held) return
    this.#held.delete(lease.key)
    if (held.begun) this.#begun--
    if (serial) this.#serial--
    if (lane === undefined) return
    const others = this.#lanes.get(lane)! - 1
    if (others > 0) this.#lanes.set(lane, others)
    else this.#lanes.delete(lane)
  }

  #giveBack(held: StoredDelivery): Promise<void> {
    const { delivery } = held
    if (delivery.state === 'waiting') this.#bus.takeBack(delivery)
    const intent = this.#waits.get(delivery)
    if (intent && delivery.waiter) this.#awaitAgain(held, intent)
    return held.release()
  }

  /** Whoever waits for the event goes on to wait, for what this process will claim. */
  #awaitAgain({ delivery, facts }: StoredDelivery, intent: StoreIntent): void {
    const { message, definition, priority, waiter } = delivery
    const again = new Delivery(message, definition, priority)
    again.waiter = waiter
    delivery.waiter = undefined
    intent.delivery = again
    this.#waits.set(again, intent)
    this.#awaited.set(facts.lease.key, intent)
  }

  // -- what leased events call ----------------------------------------------------------------------------------------

  now(): number {
    return this.#bus.clock.monotonic()
  }

  wallNow(): number {
    return this.#bus.clock.now()
  }

  get reliable(): boolean {
    return this.#connection.reliable
  }

  get noHandlerAfterMs(): number {
    return this.store.settings.noHandlerAfterMs
  }

  get deferMs(): number {
    return this.store.settings.pollMs
  }

  extend(): Promise<boolean> {
    return this.#connection.extend()
  }

  hasSession(sessionId: string): boolean {
    return this.#bus.hasSession(sessionId)
  }

  begun(_held: StoredDelivery): void {
    this.#begun++
  }

  worked(ms: number): void {
    this.#claimer.worked(ms)
  }

  report(held: StoredDelivery, report: Report, answered: (answer: Reported) => void): void {
    this.#reporter.send(held.facts.lease.key, report, (answer) => {
      this.#answered(held, answer)
      answered(answer)
    })
  }

  progressed(held: StoredDelivery): void {
    this.#reporter.sendProgress(held.facts.lease.key, held, (answer) => this.#answered(held, answer))
  }

  #answered(held: StoredDelivery, { status, overtaken }: Reported): void {
    if (status === 'lost' && !held.over) this.#leaseLost(held, 'another worker has it')
    if (!overtaken) return
    this.clearLane(held)
    this.#claimer.wake()
  }

  ended(held: StoredDelivery, how: 'completed' | 'retried' | 'released' | 'deferred' | 'dead' | 'lost'): void {
    this.#counts[how]++
    if (how === 'released') this.#released++
    this.#forget(held)
    if (this.#renews()) return
    const { lane } = held.facts
    if (how === 'completed' && lane !== undefined) this.#claimer.committed(this.now() - held.begunAt)
    // What did not complete is in the store again, or lets others of its lane go first.
    if (how !== 'completed') this.#claimer.wake()
    this.#claimer.settled(lane === undefined ? undefined : (this.#lanes.get(lane) ?? 0))
  }

  buried({ delivery: { message } }: StoredDelivery, { reason, progress, error }: Report & { kind: 'dead' }): void {
    this.#bus.buried({ message, reason, progress, error })
  }

  clearLane({ delivery }: StoredDelivery): void {
    for (const waiting of this.#bus.waitingBehind(delivery)) {
      const held = leaseOf(waiting)
      if (held && !held.over) void this.#giveBack(held)
    }
  }

  async landed(): Promise<void> {
    await Promise.allSettled(this.#asked)
    await new Promise<void>(nextTurn) // whoever asked has taken the answer
    await Promise.allSettled(this.#decoded)
  }

  nextOf({ delivery }: StoredDelivery): StoredDelivery | undefined {
    const next = this.#bus.nextOf(delivery)
    return next && leaseOf(next)
  }

  startAhead(held: StoredDelivery): void {
    const { type, sessionId } = held.delivery.message
    const plan = this.#bus.plan(type, sessionId)
    if (plan.length > 0) void held.start(plan)
  }

  completeIn(
    transaction: unknown,
    lease: StoredDelivery['facts']['lease'],
    handler: string,
    attempts: number,
  ): Promise<'ok' | 'lost'> {
    if (this.store.completeIn) return this.store.completeIn(transaction, lease, handler, attempts)
    throw invalid('The store of this bus cannot join transactions')
  }

  // -- trouble --------------------------------------------------------------------------------------------------------

  /** What it leases is lost to sight when the answer is. */
  async #leasing<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const asked = this.#connection.call(ask)
    this.#asked.add(asked)
    try {
      return await asked
    } catch (error) {
      if (!isFinal(error)) this.#connection.doubt()
      throw error
    } finally {
      this.#asked.delete(asked)
    }
  }

  /** Whether this worker gives way to a new one, now that nothing here depends on it. */
  #renews(): boolean {
    const { isDoubtful, isUp, worker } = this.#connection
    const inUse = this.#held.size + this.#decoded.size + this.#awaited.size + this.#appender.pending > 0
    if (!isDoubtful || !isUp || worker === undefined || inUse || this.#claimer.busy) return false
    void this.#connection.renew().catch(noop)
    return true
  }

  #up(): void {
    if (this.#renews()) return
    this.#claimer.up()
    this.#log?.up()
    void this.#later.storeAll((event) => this.#appender.append(event)).catch(noop)
  }

  /** Resolves when the store can be asked again; `false` once this runner is closed. */
  async #whenUp(): Promise<boolean> {
    while (this.#connection.state.is !== 'closed') {
      if (this.#connection.isUp) return true
      await this.#connection.change
    }
    return false
  }

  #send(report: Report): void {
    this.#reporter.send(report.lease.key, report, noop)
  }

  #leaseLost(held: StoredDelivery, why: string): void {
    this.#counts.lost++
    this.#forget(held)
    this.#bus.lost(held.delivery, leaseLost(held.delivery, why))
  }

  #workerLost(): void {
    const why = 'this process was not heard of in time'
    for (const held of this.#held.values()) if (!held.over) this.#leaseLost(held, why)
    for (const { delivery } of this.#awaited.values()) delivery.waiter?.reject(leaseLost(delivery, why))
    this.#awaited.clear()
  }

  /** A report that the store will never take: the event is given back as it was, so that it is not stuck here. */
  #reportRefused(report: Report, error: unknown): void {
    this.#bus.logger.error({ error }, `The store refuses a '${report.kind}' of a stored event: ${describe(error)}`)
    if (report.kind !== 'release') this.#send({ kind: 'release', lease: report.lease })
  }
}

/** Whatever has a lease on this bus was leased by its one store. */
const leaseOf = (delivery: Delivery): StoredDelivery | undefined => delivery.lease as StoredDelivery | undefined
