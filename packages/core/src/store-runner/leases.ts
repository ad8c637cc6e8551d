import { nextTurn } from '../clock.ts'
import { Delivery } from '../delivery.ts'
import { invalid } from '../errors.ts'
import type { EventStore, Lease, Report, Reported } from '../persistence.ts'
import type { StoreHost, StoreIntent } from '../store-host.ts'
import type { Claimer } from './claimer.ts'
import type { Connection } from './connection.ts'
import type { Reporter } from './reporter.ts'
import type { RunCounts } from './run-counts.ts'
import { leaseLost, type LeaseHost, type StoredDelivery } from './stored-delivery.ts'

/** What leased events need of the parts of the runner. */
export interface LeasesHost {
  readonly store: EventStore
  readonly bus: StoreHost
  readonly connection: Connection
  readonly reporter: Reporter
  readonly claimer: Claimer
  readonly counts: RunCounts
  /** Answers to calls that lease something, and have not arrived or not been read. */
  readonly arriving: ReadonlySet<Promise<unknown>>
  /** Whether this worker gives way to a new one, now that one lease less depends on it. */
  renews(): boolean
}

const MAX_UNKNOWN = 100
/** An event that was left to others and was not seen again for so long is theirs, or was taken away. */
const UNKNOWN_FOR_MS = 10_000
const UNKNOWN_FOR_POLLS = 10
/** A transaction of a handler had the event: its progress is written again after so long. */
const PROGRESS_AGAIN_MS = 1000

/** All that this process has leased, and what the leased events ask for. */
export class Leases implements LeaseHost {
  /** Given back since it was last asked. */
  released = 0
  readonly #host: LeasesHost
  readonly #held = new Map<string, StoredDelivery>()
  /** How many of each named lane. */
  readonly #lanes = new Map<string, number>()
  #begun = 0
  #serial = 0
  /** Somebody waits for these, and only this process may claim them. By key. */
  readonly #awaited = new Map<string, StoreIntent>()
  /** By what is held, or was, of an event that somebody waits for. */
  readonly #waits = new WeakMap<Delivery, StoreIntent>()

  /** What an operator should know of events that were left to others, by type, and when one was last. */
  readonly #unknown = new Map<string, { readonly note: string; readonly seenAt: number }>()

  constructor(host: LeasesHost) {
    this.#host = host
  }

  get size(): number {
    return this.#held.size
  }

  get notes(): readonly string[] {
    // What still waits comes here again, or to others, as often as the store is polled.
    const since = this.now() - Math.max(UNKNOWN_FOR_MS, UNKNOWN_FOR_POLLS * this.deferMs)
    for (const [type, { seenAt }] of this.#unknown) if (seenAt < since) this.#unknown.delete(type)
    return [...this.#unknown.values()].map(({ note }) => note)
  }

  /** Handlers came or went: what was unknown may be known. */
  handlersChanged(): void {
    this.#unknown.clear()
  }

  /** How much is held, for the next claim. */
  get holdings(): { readonly waiting: number; readonly serial: number; readonly lanes: number } {
    return { waiting: this.#held.size - this.#begun, serial: this.#serial, lanes: this.#lanes.size }
  }

  /** Whether something depends on this worker. */
  get inUse(): boolean {
    return this.#held.size + this.#awaited.size > 0
  }

  hold(held: StoredDelivery): void {
    const { lease, lane, serial } = held.facts
    this.#held.set(lease.key, held)
    held.delivery.lease = held
    if (serial) this.#serial++
    if (lane !== undefined) this.#lanes.set(lane, (this.#lanes.get(lane) ?? 0) + 1)
  }

  /** Somebody waits for an event that is stored; what is claimed under its key is for him. */
  awaits(intent: StoreIntent, key: string): void {
    this.#awaited.set(key, intent)
  }

  /** Remembers who waits, should the event come a second time. */
  isAwaited(intent: StoreIntent): void {
    this.#waits.set(intent.delivery, intent)
  }

  /** The delivery that somebody waits for, if this key is one of those. */
  takeAwaited(key: string): Delivery | undefined {
    const intent = this.#awaited.get(key)
    this.#awaited.delete(key)
    return intent?.delivery
  }

  /** Gives back what waits here and nobody waits for. Resolves when that is written. */
  async giveBackWaiting(): Promise<void> {
    const releases: Promise<void>[] = []
    for (const held of this.#held.values()) {
      if (held.delivery.state === 'waiting' && held.delivery.waiter === undefined) releases.push(this.#giveBack(held))
    }
    await Promise.all(releases)
  }

  /** Gives back all that has not begun. */
  releaseAll(): void {
    for (const held of this.#held.values()) if (!held.begun && !held.over) void held.release()
  }

  /** What is held. */
  get known(): readonly Lease[] {
    return [...this.#held.values()].map(({ facts }) => facts.lease)
  }

  /** Nothing is held any more; who waits gets `error`. */
  forgetAll(error: (delivery: Delivery) => unknown): void {
    for (const held of this.#held.values()) this.#forget(held)
    for (const { delivery } of this.#awaited.values()) delivery.waiter?.reject(error(delivery))
    this.#awaited.clear()
  }

  /** Others have all of it. */
  lostAll(why: string): void {
    for (const held of this.#held.values()) if (!held.over) this.#lost(held, why)
    this.forgetAll((delivery) => leaseLost(delivery, why))
  }

  // -- what leased events call ----------------------------------------------------------------------------------------

  now(): number {
    return this.#host.bus.clock.monotonic()
  }

  wallNow(): number {
    return this.#host.bus.clock.now()
  }

  get reliable(): boolean {
    return this.#host.connection.reliable
  }

  get noHandlerAfterMs(): number {
    return this.#host.store.settings.noHandlerAfterMs
  }

  get deferMs(): number {
    return this.#host.store.settings.pollMs
  }

  extend(): Promise<boolean> {
    return this.#host.connection.extend()
  }

  hasSession(sessionId: string): boolean {
    return this.#host.bus.hasSession(sessionId)
  }

  begun(_held: StoredDelivery): void {
    this.#begun++
  }

  leftToOthers({ delivery: { message } }: StoredDelivery, handler: string): void {
    const { type } = message
    if (this.#unknown.size >= MAX_UNKNOWN && !this.#unknown.has(type)) return
    const note = `Stored events '${type}' wait for their handler '${handler}', which this process does not have`
    this.#unknown.set(type, { note, seenAt: this.now() })
  }

  worked(ms: number): void {
    this.#host.claimer.worked(ms)
  }

  report(held: StoredDelivery, report: Report, answered: (answer: Reported) => void): void {
    this.#host.reporter.send(held.facts.lease.key, report, (answer) => {
      this.#answered(held, answer)
      if (answer.overtaken) void this.#giveWay(held).then(() => answered(answer))
      else answered(answer)
    })
  }

  progressed(held: StoredDelivery): void {
    this.#host.reporter.sendProgress(held.facts.lease.key, held, (answer) => this.#answered(held, answer))
  }

  #answered(held: StoredDelivery, { status, skipped }: Reported): void {
    if (skipped) this.#host.bus.after(PROGRESS_AGAIN_MS, () => held.writeProgress())
    if (status === 'lost' && !held.over) this.#lost(held, 'another worker has it')
  }

  /**
   * Something that goes before what is held of the lane waits in the store. All of it goes back, and so does what a claim that is under way
   * brings: that took what came later, because the rest was still held. Until the store knows, the lane stands still and nothing is claimed.
   */
  async #giveWay(held: StoredDelivery): Promise<void> {
    const { bus, claimer, store } = this.#host
    // What the store refuses to take back must not hold up everything else.
    const limit = Promise.withResolvers<void>()
    const timer = bus.after(store.settings.leaseMs, limit.resolve)
    const rested = claimer.pause()
    const written = this.clearLane(held)
    const cleared = rested.then(() => Promise.all([written, this.clearLane(held)]))
    await Promise.race([cleared, limit.promise])
    bus.cancel(timer)
    claimer.resume()
  }

  ended(held: StoredDelivery, how: 'completed' | 'retried' | 'released' | 'deferred' | 'dead' | 'lost'): void {
    const { counts, claimer } = this.#host
    counts[how]++
    if (how === 'released') this.released++
    this.#forget(held)
    if (this.#host.renews()) return
    const { lane } = held.facts
    if (how === 'completed' && lane !== undefined) claimer.committed(this.now() - held.begunAt)
    // What did not complete is in the store again, or lets others of its lane go first.
    if (how !== 'completed') claimer.wake()
    claimer.settled(lane === undefined ? undefined : (this.#lanes.get(lane) ?? 0))
  }

  buried({ delivery: { message } }: StoredDelivery, { reason, progress, error }: Report & { kind: 'dead' }): void {
    // If others of the type wait, the next of them says so again.
    if (reason === 'no-handler') this.#unknown.delete(message.type)
    this.#host.bus.buried({ message, reason, progress, error })
  }

  async clearLane({ delivery }: StoredDelivery): Promise<void> {
    const releases: Promise<void>[] = []
    for (const waiting of this.#host.bus.waitingBehind(delivery)) {
      const held = leaseOf(waiting)
      if (held && !held.over) releases.push(this.#giveBack(held))
    }
    await Promise.all(releases)
  }

  dueIn(delayMs: number): void {
    this.#host.claimer.dueIn(delayMs)
  }

  async landed(): Promise<void> {
    const { arriving } = this.#host
    await Promise.allSettled(arriving)
    await new Promise<void>(nextTurn) // whoever asked has taken the answer
    await Promise.allSettled(arriving)
  }

  nextOf({ delivery }: StoredDelivery): StoredDelivery | undefined {
    const next = this.#host.bus.nextOf(delivery)
    return next && leaseOf(next)
  }

  startAhead(held: StoredDelivery): void {
    const { type, sessionId } = held.delivery.message
    const plan = this.#host.bus.plan(type, sessionId)
    if (plan.length > 0) void held.start(plan)
  }

  completeIn(
    transaction: unknown,
    lease: StoredDelivery['facts']['lease'],
    handler: string,
    attempts: number,
  ): Promise<'ok' | 'lost'> {
    const { store } = this.#host
    if (store.completeIn) return store.completeIn(transaction, lease, handler, attempts)
    throw invalid('The store of this bus cannot join transactions')
  }

  // -- giving back ----------------------------------------------------------------------------------------------------

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

  #lost(held: StoredDelivery, why: string): void {
    this.#host.counts.lost++
    this.#forget(held)
    this.#host.bus.lost(held.delivery, leaseLost(held.delivery, why))
  }

  #giveBack(held: StoredDelivery): Promise<void> {
    const { delivery } = held
    if (delivery.state === 'waiting') this.#host.bus.takeBack(delivery)
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
    this.isAwaited(intent)
    this.awaits(intent, facts.lease.key)
  }
}

/** Whatever has a lease on this bus was leased by its one store. */
const leaseOf = (delivery: Delivery): StoredDelivery | undefined => delivery.lease as StoredDelivery | undefined
