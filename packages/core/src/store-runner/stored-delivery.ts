import { BusError, describe } from '../errors.ts'
import type { Delivery } from '../delivery.ts'
import { DISCARDED } from '../failure.ts'
import type { HandlerOutcome } from '../outcome.ts'
import type { HandlerProgress, Lease, Progress, Report, Reported, StoredError } from '../persistence.ts'
import type { Plan } from '../routing.ts'
import { SESSION_HANDLER } from '../routing.ts'
import type { DeliveryLease } from '../store-host.ts'
import { storedError } from './stored-error.ts'
import { storableText } from './stored-message.ts'

/** What a leased event needs of the runner. */
export interface LeaseHost {
  /** The monotonic clock. */
  now(): number
  /** The wall clock. */
  wallNow(): number
  readonly reliable: boolean
  /** Extends the lease of this worker, however long that takes; `false` when it is lost. */
  extend(): Promise<boolean>
  report(lease: StoredDelivery, report: Report, answered: (answer: Reported) => void): void
  /** Some handler has got further: `progress` is asked how far when it can be written. */
  progressed(lease: StoredDelivery): void
  hasSession(sessionId: string): boolean
  /** It begins here. */
  begun(lease: StoredDelivery): void
  /** It cannot be handled here: nobody knows this handler of it. */
  leftToOthers(lease: StoredDelivery, handler: string): void
  /** Its handlers took so long. */
  worked(ms: number): void
  /** It is not worked on here any more. */
  ended(lease: StoredDelivery, how: 'completed' | 'retried' | 'released' | 'deferred' | 'dead' | 'lost'): void
  /** It is in the dead letters. */
  buried(lease: StoredDelivery, report: Report & { readonly kind: 'dead' }): void
  /** Gives back what waits here of its lane, which goes no further here for now. Resolves when that is written. */
  clearLane(lease: StoredDelivery): Promise<void>
  /** Something that this process may handle is due after so long. */
  dueIn(delayMs: number): void
  /** Resolves when all that the store has been asked to lease so far is in its lane here. */
  landed(): Promise<void>
  /** The event that is next in its lane, if it waits here too. */
  nextOf(lease: StoredDelivery): StoredDelivery | undefined
  /** Records its start, if it is known who would handle it. */
  startAhead(lease: StoredDelivery): void
  completeIn(transaction: unknown, lease: Lease, handler: string, attempts: number): Promise<'ok' | 'lost'>
  readonly noHandlerAfterMs: number
  readonly deferMs: number
}

/** What was known of an event when it was leased. */
export interface LeaseFacts {
  readonly lease: Lease
  readonly lane: string | undefined
  readonly serial: boolean
  readonly onCrash: 'retry' | 'fail'
  readonly started: boolean
  /** How often it was started before that, since its last report. */
  readonly unreported: number
  readonly interruptions: number
  readonly handlers: readonly string[] | undefined
  readonly progress: Progress
  readonly deferredSinceMs: number | undefined
  /** When it is too late to begin, by the monotonic clock. */
  readonly expiresAt: number | undefined
}

const MAX_ERRORS = 10
const PARK_AFTER_MS = 1000

/** One event that this process has leased, from its claim to its settlement. */
export class StoredDelivery implements DeliveryLease {
  readonly delivery: Delivery
  readonly facts: LeaseFacts
  readonly parkAfterMs: number = PARK_AFTER_MS
  /** Another worker has it, or it has been given back: nothing of it counts any more. */
  over = false
  begun = false
  /** When its first handler began here, by the monotonic clock. */
  begunAt = 0
  readonly #host: LeaseHost
  /** By handler name, which may be any text: `__proto__`, too. */
  readonly #progress: Map<string, HandlerProgress>
  #recorded: readonly string[] | undefined
  #start: true | Promise<boolean> | undefined
  /** A handler has failed for good. */
  #failed: boolean
  /** Progress waits to be written. */
  #unwritten = false
  /** Handlers whose transaction may have the event's row: it may be open for as long as they run. */
  readonly #inTransaction = new Set<string>()

  constructor(host: LeaseHost, delivery: Delivery, facts: LeaseFacts) {
    this.#host = host
    this.delivery = delivery
    this.facts = facts
    this.#progress = new Map(Object.entries(facts.progress))
    this.#failed = Object.values(facts.progress).some(({ status }) => status === 'failed')
    this.#recorded = facts.handlers
    this.#start = facts.started ? true : undefined
  }

  begin(plan: Plan): true | Promise<boolean> {
    const host = this.#host
    host.begun(this)
    this.begun = true
    if (this.facts.expiresAt !== undefined && host.now() >= this.facts.expiresAt && !hasBegun(this.facts)) {
      return this.#giveUp('expired')
    }
    const unknown = this.#unknownHere(plan)
    if (unknown !== undefined) return this.#leaveToOthers(unknown)
    this.#foldInterruptions(plan)
    const started = this.#start ?? this.start(plan)
    this.begunAt = host.now()
    if (started === true) return this.check()
    return started.then((ok) => {
      this.begunAt = host.now()
      return ok && this.check()
    })
  }

  /** Records the start, perhaps before the event begins here. */
  start(plan: Plan): true | Promise<boolean> {
    const handlers = this.#recorded ?? namesOf(plan)
    const report: Report = { kind: 'start', lease: this.facts.lease, handlers }
    this.#start = new Promise((resolve) => {
      this.#host.report(this, report, ({ status }) => resolve(status === 'ok'))
    })
    this.#recorded ??= handlers
    return this.#start
  }

  check(): true | Promise<boolean> {
    const host = this.#host
    if (host.reliable) return !this.over || Promise.resolve(false)
    return host.extend().then((ok) => ok && !this.over)
  }

  earlier(handler: string | undefined): 'done' | 'failed' | 'unknown' | undefined {
    const name = nameOf(handler)
    const status = this.#progress.get(name)?.status
    if (status === 'done' || status === 'failed') return status
    return this.#recorded && !this.#recorded.includes(name) ? 'unknown' : undefined
  }

  /** As it is kept. */
  get #written(): Progress {
    return Object.fromEntries(this.#progress)
  }

  attemptsOf(handler: string | undefined): number {
    return this.#progress.get(nameOf(handler))?.attempts ?? 0
  }

  handlerSettled(handler: string | undefined, outcome: HandlerOutcome, trying: boolean): void {
    const name = nameOf(handler)
    this.#inTransaction.delete(name)
    const { status, attempts } = outcome
    // What was aborted runs again: no attempt is used up.
    if (status === 'aborted' || status === 'skipped') return
    const before = this.#progress.get(name)
    if (status === 'fulfilled') this.#progress.set(name, { status: 'done', attempts, ...errorsOf(before) })
    else {
      const errors = [...(before?.errors ?? []), storedError(outcome.error, this.#host.wallNow())]
      const reason = outcome.status === 'rejected' ? outcome.reason : undefined
      // What was discarded is done with, though it failed.
      const final = reason === DISCARDED ? 'done' : 'failed'
      this.#progress.set(name, {
        status: trying ? 'trying' : final,
        attempts,
        errors: errors.slice(-MAX_ERRORS),
        ...(reason !== undefined && { reason: storableText(reason) }),
      })
    }
    this.#failed ||= this.#progress.get(name)?.status === 'failed'
    this.writeProgress()
  }

  writeProgress(): void {
    if (this.over || this.#unwritten) return
    this.#unwritten = true
    this.#host.progressed(this)
  }

  /** How far it is. A transaction of one of its handlers may have the event's row: other reports must not wait for that. */
  progress(): Report {
    this.#unwritten = false
    const skipLocked = this.#inTransaction.size > 0
    return {
      kind: 'progress',
      lease: this.facts.lease,
      progress: this.#written,
      ...(skipLocked && { skipLocked }),
    }
  }

  settle(outcomes: readonly HandlerOutcome[], retryInMs: number | undefined): Promise<void> {
    try {
      return this.#settle(outcomes, retryInMs)
    } catch (error) {
      if (this.over) throw error
      // Not to be held for ever by a mistake in what is made of it.
      return this.#giveUpFor(error)
    }
  }

  #giveUpFor(thrown: unknown): Promise<void> {
    const { lease } = this.facts
    const error = storedError(thrown, this.#host.wallNow())
    return this.#end('dead', { kind: 'dead', lease, reason: 'failed', progress: this.#written, error })
  }

  #settle(outcomes: readonly HandlerOutcome[], retryInMs: number | undefined): Promise<void> {
    if (this.over) return Promise.resolve()
    this.#host.worked(this.#host.now() - this.begunAt)
    const { lease, lane, onCrash, serial } = this.facts
    if (retryInMs === undefined && !this.#failed && !outcomes.some(isAborted)) {
      const ended = this.#end('completed', { kind: 'complete', lease })
      if (lane !== undefined || serial) this.#startNext()
      return ended
    }
    const progress = this.#written
    const aborted = outcomes.find(isAborted)
    if (retryInMs !== undefined) {
      return this.#handBack('retried', { kind: 'retry', lease, progress, delayMs: retryInMs })
    }
    if (!aborted) {
      const { reason = 'failed' } = Object.values(progress).find(({ status }) => status === 'failed')!
      return this.#end('dead', { kind: 'dead', lease, reason, progress })
    }
    if (onCrash === 'retry' || this.#start === undefined) {
      return this.#handBack('released', { kind: 'release', lease, progress })
    }
    const error = 'error' in aborted ? storedError(aborted.error, this.#host.wallNow()) : undefined
    return this.#end('dead', { kind: 'dead', lease, reason: 'interrupted', progress, error })
  }

  async release(): Promise<void> {
    if (this.over) return
    await this.#end('released', { kind: 'release', lease: this.facts.lease })
  }

  async completeIn(transaction: unknown, handler: string | undefined, attempts: number): Promise<void> {
    const name = nameOf(handler)
    this.#inTransaction.add(name)
    const answer = this.over ? 'lost' : await this.#host.completeIn(transaction, this.facts.lease, name, attempts)
    if (answer === 'ok') return
    const { type, id } = this.delivery.message
    throw new BusError('LEASE_LOST', `The lease of '${type}' ${id} is lost: roll the transaction back`)
  }

  /** It cannot be read here: it is kept until a person moves it. */
  undecodable(error: unknown): void {
    const { lease } = this.facts
    const stored: StoredError = storedError(error, this.#host.wallNow())
    void this.#end('deferred', { kind: 'undecodable', lease, error: stored })
  }

  expire(): void {
    void this.#giveUp('expired')
  }

  /** The start of the next event of the lane shares the commit of this one's end, and its round trip. */
  #startNext(): void {
    const next = this.#host.nextOf(this)
    if (next && next.#start === undefined && next.facts.onCrash === 'retry') this.#host.startAhead(next)
  }

  /**
   * It has begun and goes on later, perhaps elsewhere, and its lane waits for it: what is held of the lane goes back too, and so does
   * what the store had leased, before it knew, in answers that arrive after that.
   */
  async #handBack(how: 'retried' | 'released', report: Report): Promise<void> {
    const host = this.#host
    void host.clearLane(this)
    await this.#end(how, report)
    if (report.kind === 'retry') host.dueIn(report.delayMs)
    if (this.facts.lane === undefined) return
    await host.landed()
    void host.clearLane(this)
  }

  #end(how: 'completed' | 'retried' | 'released' | 'deferred' | 'dead', report: Report): Promise<void> {
    this.over = true
    return new Promise((resolve) => {
      this.#host.report(this, report, ({ status }) => {
        if (status === 'ok' && report.kind === 'dead') this.#host.buried(this, report)
        this.#host.ended(this, status === 'ok' ? how : 'lost')
        resolve()
      })
    })
  }

  #giveUp(reason: 'expired' | 'no-handler'): Promise<boolean> {
    const { lease } = this.facts
    const { type } = this.delivery.message
    const what = reason === 'expired' ? 'was not started in time' : 'has a handler that nobody knows any more'
    const error = storedError(new BusError('NO_HANDLER', `'${type}' ${what}`), this.#host.wallNow())
    return this.#end('dead', { kind: 'dead', lease, reason, progress: this.#written, error }).then(() => false)
  }

  #leaveToOthers(handler: string): Promise<boolean> {
    const { deferredSinceMs, lease } = this.facts
    const { noHandlerAfterMs, deferMs } = this.#host
    if (deferredSinceMs !== undefined && deferredSinceMs >= noHandlerAfterMs) return this.#giveUp('no-handler')
    this.#host.leftToOthers(this, handler)
    return this.#end('deferred', { kind: 'defer', lease, delayMs: deferMs }).then(() => false)
  }

  /** A handler that was recorded at the first start, is unfinished, and that nobody here knows. */
  #unknownHere(plan: Plan): string | undefined {
    const recorded = this.#recorded
    if (!recorded) return plan.length === 0 ? 'any' : undefined
    const names = namesOf(plan)
    // What it has had from the start: nearly always.
    if (recorded.length === names.length && recorded.every((name, index) => name === names[index])) return undefined
    const known = new Set(names)
    const { sessionId } = this.delivery.message
    return recorded.find((name) => {
      const status = this.#progress.get(name)?.status
      if (status === 'done' || status === 'failed' || known.has(name)) return false
      // The handlers of a session that is gone are skipped.
      return !(name.startsWith(SESSION_HANDLER) && !this.#host.hasSession(sessionId))
    })
  }

  /** What was interrupted are the handlers of the first group that had not settled. */
  #foldInterruptions(plan: Plan): void {
    const { interruptions } = this.facts
    if (interruptions === 0) return
    const first = plan.find(({ identity }) => this.earlier(identity) === undefined)
    for (const { identity, priority } of plan) {
      if (priority !== first?.priority || this.earlier(identity) !== undefined) continue
      const name = nameOf(identity)
      const before = this.#progress.get(name)
      this.#progress.set(name, {
        status: 'trying',
        attempts: (before?.attempts ?? 0) + interruptions,
        ...errorsOf(before),
      })
    }
  }
}

/** Whether a handler may have begun before this lease: what is recorded as started with the lease itself has not. */
const hasBegun = ({ handlers, started, unreported, interruptions, progress }: LeaseFacts): boolean =>
  handlers !== undefined && !(started && unreported + interruptions === 0 && Object.keys(progress).length === 0)

const errorsOf = (before: HandlerProgress | undefined): Pick<HandlerProgress, 'errors'> =>
  before?.errors ? { errors: before.errors } : {}

const isAborted = (outcome: HandlerOutcome | undefined): boolean => outcome?.status === 'aborted'

const nameOf = (identity: string | undefined): string => identity ?? 'anonymous'

const names = new WeakMap<Plan, readonly string[]>()

/** Of its handlers, by which the store knows them. */
export const namesOf = (plan: Plan): readonly string[] => {
  const known = names.get(plan)
  if (known) return known
  const found = plan.map(({ identity }) => nameOf(identity))
  names.set(plan, found)
  return found
}

export const leaseLost = (delivery: Delivery, why: unknown): BusError => {
  const { type, id } = delivery.message
  return new BusError('LEASE_LOST', `The lease of '${type}' ${id} is lost: ${describe(why)}`)
}
