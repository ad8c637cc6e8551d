import { nextTurn } from '../clock.ts'
import type { Delivery } from '../delivery.ts'
import { BusError, describe, invalid } from '../errors.ts'
import { BUS } from '../message.ts'
import type { PublishReceipt } from '../options.ts'
import type { Appended, Claimed, ClaimRequest, EventStore, Lease, NewEvent, Report } from '../persistence.ts'
import type { ScheduledEvent, When } from '../scheduler.ts'
import type { StoreHost, StoreIntent, StoreRunner, StoreStatus } from '../store-host.ts'
import { noop } from '../thenable.ts'
import { Appender } from './appender.ts'
import { Arrivals } from './arrivals.ts'
import type { Holdings } from './claim-budget.ts'
import { Claimer } from './claimer.ts'
import { Connection } from './connection.ts'
import { EventLogWriter } from './event-log-writer.ts'
import { tellGivenUp } from './given-up.ts'
import { HandledTypes } from './handled-types.ts'
import { Later } from './later.ts'
import { Leases } from './leases.ts'
import { LostAnswers } from './lost-answers.ts'
import { Reporter } from './reporter.ts'
import { noCounts } from './run-counts.ts'
import { namesOf } from './stored-delivery.ts'
import { namedLane, requireKey, storeMessage } from './stored-message.ts'
import { isFinal } from './unavailable.ts'

type Stored = Appended & { readonly status: 'stored' }

/** How often it is said that the store goes on to refuse what it is told. */
const REFUSED_AGAIN_MS = 60_000

/** The runner of one store for one bus: its parts, and what passes between them. */
export class StoreRun implements StoreRunner {
  readonly store: EventStore
  readonly #bus: StoreHost
  readonly #connection: Connection
  readonly #appender: Appender
  readonly #reporter: Reporter
  readonly #claimer: Claimer
  readonly #types: HandledTypes
  readonly #later: Later
  readonly #log: EventLogWriter | undefined
  readonly #leases: Leases
  readonly #lost: LostAnswers
  readonly #arrivals: Arrivals
  readonly #counts = noCounts()
  /** Why the store refused the last report that it refused, and when that was logged. */
  #refusal = { why: '', loggedAt: -Infinity }

  constructor(store: EventStore, bus: StoreHost) {
    const { batchSize, parallelAppends } = store.settings
    this.store = store
    this.#bus = bus
    const connection = new Connection(store, bus, {
      up: () => this.#up(),
      lost: () => this.#leases.lostAll('this process was not heard of in time'),
    })
    this.#connection = connection
    this.#appender = new Appender({
      batchSize,
      parallelAppends,
      landed: () => nextTurn(() => bus.checkQuiet()),
      after: (delayMs, callback) => bus.after(delayMs, callback),
      cancel: (timer) => bus.cancel(timer),
      append: async (events) => this.#count(await this.#lost.leasing(() => store.append(events, connection.worker))),
    })
    this.#reporter = new Reporter({
      batchSize,
      report: (reports) => connection.call(() => store.report(reports)),
      whenUp: () => this.#whenUp(),
      refused: (report, error) => this.#reportRefused(report, error),
      after: (delayMs, callback) => bus.after(delayMs, callback),
      cancel: (timer) => bus.cancel(timer),
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
        holdings: () => this.#holdings,
        types: () => this.#types.list,
        ask: (request) => this.#claim(request),
        claimed: (claimed) => this.#arrivals.claimed(claimed),
        swept: ({ rescued, givenUp = [] }) => {
          this.#counts.rescued += rescued
          for (const one of givenUp) tellGivenUp(one, bus)
        },
        rested: () => void this.#lost.renews(),
      },
      connection,
    )
    const parts = { store, bus, connection, reporter: this.#reporter, claimer: this.#claimer, counts: this.#counts }
    const arriving = new Set<Promise<unknown>>()
    this.#leases = new Leases({ ...parts, arriving, renews: () => this.#lost.renews() })
    const { codec } = store
    const release = (lease: Lease): void => this.#send({ kind: 'release', lease })
    this.#arrivals = new Arrivals({ ...parts, leases: this.#leases, codec, release }, arriving)
    this.#lost = new LostAnswers({
      ...parts,
      arriving,
      leases: this.#leases,
      isBusy: () => this.#arrivals.reading + this.#appender.pending > 0 || this.#claimer.busy,
    })
  }

  // -- what the bus calls ---------------------------------------------------------------------------------------------

  get status(): StoreStatus {
    const { state, trouble } = this.#connection
    return {
      state: state.is,
      trouble,
      notes: [...this.#types.notes, ...this.#leases.notes],
      refused: this.#reporter.refused > 0 ? this.#refusal.why : undefined,
      leased: this.#leases.size,
      toBeStored: this.#later.size,
      counts: { ...this.#counts, unlogged: this.#log?.lost ?? 0 },
    }
  }

  get pending(): number {
    return this.#appender.pending + this.#arrivals.reading + (this.#claimer.busy ? 1 : 0)
  }

  requireStorable(type: string): void {
    this.#types.requireStorable(type)
  }

  async start(): Promise<void> {
    this.#leases.released = 0
    // Trouble is reported by the connection, and does not keep the bus from starting.
    await this.#connection.ready(true).catch(noop)
  }

  /** The bus takes events from now on, or has room for more. */
  wanted(): void {
    this.#claimer.enable()
  }

  look(): void {
    this.#claimer.up()
  }

  async pause(): Promise<number> {
    this.#claimer.disable()
    const released = this.#leases.giveBackWaiting()
    // Not awaited when the store is away: the leases end by themselves.
    if (this.#connection.isUp) await Promise.race([released, this.#connection.change])
    return this.#takeReleased()
  }

  async stop(): Promise<number> {
    this.#claimer.disable()
    const { connectMs } = this.store.settings
    this.#leases.releaseAll()
    const limit = Promise.withResolvers<void>()
    const timer = this.#bus.after(connectMs, limit.resolve)
    const written = Promise.all([this.#reporter.flushed(), this.#appender.settled(), this.#log?.flushed()])
    const gone = this.#connection.isUp ? this.#connection.change : Promise.resolve()
    await Promise.race([written, limit.promise, gone])
    this.#bus.cancel(timer)
    this.#claimer.close()
    this.#lost.close()
    this.#reporter.close()
    const left = await this.#connection.leave(connectMs)
    await this.#connection.close()
    const stopped = new BusError(
      'BUS_STOPPED',
      'The bus stopped before the stored event had begun; it stays in the store',
    )
    this.#leases.forgetAll(() => stopped)
    return this.#takeReleased() + left
  }

  #takeReleased(): number {
    const { released } = this.#leases
    this.#leases.released = 0
    return released
  }

  gate(type: string, open: boolean): void {
    this.#types.gate(type, open)
    if (open) this.#claimer.wake()
  }

  handlersChanged(): void {
    this.#leases.handlersChanged()
    if (this.#types.changed()) this.#claimer.up()
  }

  async publish(intent: StoreIntent): Promise<PublishReceipt> {
    const { delivery, transaction } = intent
    const { id } = delivery.message
    const appended = await this.#append(intent, { keep: true, mine: false }, (event, stored) => {
      this.#bus.accepted(delivery, undefined)
      if (transaction === undefined) this.#arrived(delivery, event, stored)
    })
    if (appended.status === 'duplicate') {
      this.#counts.duplicates++
      return { id: appended.id, status: 'duplicate', durability: 'stored' }
    }
    return { id, status: 'accepted', durability: 'stored' }
  }

  async publishAndWait(intent: StoreIntent): Promise<void> {
    const { delivery } = intent
    const { type, sessionId } = delivery.message
    if (this.#bus.plan(type, sessionId).length === 0) {
      throw new BusError('NO_HANDLER', `'${type}' has no handler in this process, so it cannot be waited for here`)
    }
    await this.#connection.ready(true)
    await this.#append(intent, { keep: true, mine: true }, (event, appended) => {
      this.#bus.accepted(delivery, undefined)
      // The wait was over before it was stored: the event is nobody's in particular now.
      if (delivery.waiter === undefined) delivery.parent = undefined
      else this.#leases.isAwaited(intent)
      if (!appended.lease) this.#leases.awaits(intent, appended.key)
      this.#arrived(delivery, event, appended)
    })
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
        const { id } = appended
        const cancel = (): Promise<never> => refuseToCancel(delivery.message.type, id)
        return { id, status: 'duplicate', durability: 'stored', dueAt: undefined, cancel }
      }
      this.#bus.accepted(delivery, dueAt)
      if (transaction === undefined) this.#soon(appended)
      const cancel = this.#cancelOf(appended.key)
      delivery.session?.storedSchedules.add(cancel, dueAt, this.#bus.clock.now())
      return { id, status: 'accepted', durability: 'stored', dueAt, cancel }
    } catch (error) {
      if (required || isFinal(error)) throw error
      this.#bus.accepted(delivery, dueAt)
      const later = this.#later.add(delivery, when, event, (key) => this.#cancelOf(key))
      if (delivery.session?.storedSchedules.isOver) void later.cancel().catch(noop)
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
    if (lane !== undefined) requireKey(lane, `The lane of '${input.type}'`)
    if (idempotencyKey !== undefined) requireKey(idempotencyKey, `The idempotencyKey of '${input.type}'`)
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
        ? {
            start: this.#startsAtOnce(delivery),
            laneStart: lane === undefined ? 1 : this.#claimer.laneStart,
          }
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

  /** `stored` is called at once when it is known, so that events of one lane come in the order of their commits. */
  #append(
    intent: StoreIntent,
    how: { readonly keep: boolean; readonly mine: boolean },
    stored: (event: NewEvent, appended: Stored) => void,
  ): Promise<Appended> {
    const append = async (): Promise<Appended> => {
      if (intent.signal?.aborted)
        throw new BusError('ABORTED', 'The publish was aborted', { cause: intent.signal.reason })
      const event = this.#newEvent(intent, how)
      return await this.#write(event, intent.transaction, (appended) => {
        if (appended.status === 'stored') stored(event, appended)
      })
    }
    return this.#connection.isUp ? append() : this.#connection.ready(how.mine).then(append)
  }

  #write(event: NewEvent, transaction: unknown, landed?: (appended: Appended) => void): Promise<Appended> {
    if (transaction === undefined) return this.#appender.append(event, landed)
    if (!this.store.appendIn) throw invalid('The store of this bus cannot join transactions')
    return this.store.appendIn(transaction, event).then((appended) => {
      this.#count([appended])
      landed?.(appended)
      return appended
    })
  }

  #count(answers: readonly Appended[]): readonly Appended[] {
    for (const { status } of answers) if (status === 'stored') this.#counts.appended++
    return answers
  }

  /** The event is stored: it is leased here already, or has to be claimed. */
  #arrived(delivery: Delivery, event: NewEvent, appended: Stored): void {
    const { lease } = appended
    if (lease) this.#arrivals.appended(delivery, event, { ...appended, lease })
    else this.#claimer.wake()
  }

  #soon({ acceptedAt, dueAt }: Stored): void {
    if (dueAt - acceptedAt < this.store.settings.pollMs) this.#claimer.poll()
  }

  /** How to cancel a schedule: what was cancelled once stays that, for whoever asks at the same time or later. */
  #cancelOf(key: string): () => Promise<'cancelled' | 'too-late'> {
    let asked: Promise<'cancelled' | 'too-late'> | undefined
    const ask = async (): Promise<'cancelled' | 'too-late'> => {
      await this.#connection.ready(false)
      return this.#connection.call(() => this.store.cancel(key))
    }
    const forget = (): void => (asked = undefined)
    return () => {
      if (asked) return asked
      asked = ask()
      asked.then((answer) => answer === 'too-late' && forget(), forget)
      return asked
    }
  }

  get #holdings(): Holdings {
    const { waiting, ...held } = this.#leases.holdings
    return { ...held, waiting: waiting + this.#arrivals.reading, slotsFree: this.#bus.slotsFree }
  }

  /**
   * Answers come in another order than the store did what they tell. So a claim is not read before all is known that was appended to its
   * lanes meanwhile, and that is put into the lanes together with what was claimed ({@link Arrivals.claiming}).
   */
  async #claim(request: ClaimRequest): Promise<Claimed> {
    this.#arrivals.claiming()
    try {
      const claimed = await this.#lost.leasing(() => this.store.claim(request))
      await this.#appender.landedBefore(claimed.events)
      return claimed
    } catch (error) {
      this.#arrivals.claimed({ events: [], exhausted: true, now: 0 })
      throw error
    }
  }

  // -- trouble --------------------------------------------------------------------------------------------------------

  #up(): void {
    if (this.#lost.makeGood()) return
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

  /** Its event is kept here until the store takes it: nothing of it runs again. */
  #reportRefused({ kind }: Report, error: unknown): void {
    const { logger, clock } = this.#bus
    const why = `The store refuses a '${kind}' of a stored event, which is tried again and does not run meanwhile: ${describe(error)}`
    const now = clock.monotonic()
    if (why === this.#refusal.why && now - this.#refusal.loggedAt < REFUSED_AGAIN_MS) return
    this.#refusal = { why, loggedAt: now }
    logger.error({ error }, why)
  }
}

/** What a duplicate answers to `cancel`: whether the first event is still to come is not known here. */
const refuseToCancel = async (type: string, id: string): Promise<never> => {
  throw invalid(
    `This schedule of '${type}' is a duplicate of ${id}, so it has nothing to cancel. ` +
      'Cancel what scheduled the first, or the stored event with persistence.inspect',
  )
}
