import type { AsyncContext, AsyncFrame, FrameHolder } from './async-context.ts'
import type { Clock } from './clock.ts'
import type { Delivery } from './delivery.ts'
import type { BusError } from './errors.ts'
import type { Verdict } from './failure.ts'
import { HandlerCall, type Verbs } from './handler-call.ts'
import type { HandlerOutcome } from './outcome.ts'
import type { Plan, Step } from './routing.ts'
import { isThenable, noop, settled } from './thenable.ts'
import type { DeliveryLease } from './store-host.ts'
import type { Timer } from './timers.ts'

/** What the dispatcher needs of the bus around it. */
export interface DispatchHost {
  readonly verbs: Verbs
  readonly asyncContext: AsyncContext
  readonly clock: Clock
  readonly stopsOnGroupFailure: boolean
  /** Whether somebody wants to know of every handler, not only of failures. */
  readonly observed: boolean
  handlerStarted(call: HandlerCall): void
  handlerSettled(call: HandlerCall, outcome: HandlerOutcome): void
  /** Reports a failed attempt; answers what becomes of it. */
  attemptFailed(call: HandlerCall, error: unknown): Verdict
  handlerFailed(call: HandlerCall, error: unknown): void
  /** A handler has settled, its event has not. */
  checkQuiet(): void
  /** A call was aborted: what it waits for ends too. */
  callAborted(call: HandlerCall, error: BusError): void
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer | undefined): void
  /** Whether the current run of handlers has kept the event loop waiting long enough. */
  overdue(): boolean
  /** Calls back in a later turn of the event loop. */
  yield(callback: () => void): void
}

export type Unfinished = { readonly status: 'timed-out' | 'aborted'; readonly error: BusError }
type Ending =
  | { readonly status: 'fulfilled'; readonly value: unknown }
  | Unfinished
  | FailedEnding
  | { status: 'skipped' }
type FailedEnding = { readonly status: 'rejected' } & Pick<Verdict, 'error' | 'reason'>

const SKIPPED = { status: 'skipped' } as const

/**
 * Takes one event at a time through its strict groups (R-PRI-2): a group starts when every handler of the one before has
 * settled. It knows nothing of queues, stores or time; it is used again for the next event of its lane.
 *
 * Nothing is awaited: handlers that return no promise run straight on, and those that do call back into the two functions
 * that were made for this dispatch once. That is what makes a group cheaper than an `await`.
 */
export class Dispatch implements FrameHolder {
  delivery: Delivery | undefined = undefined
  frame: AsyncFrame | undefined = undefined
  readonly #host: DispatchHost
  readonly #verbs: Verbs
  readonly #asyncContext: AsyncContext
  /** Handlers that run alone are in the async context of their event already. */
  readonly #inherits: boolean
  readonly #onSettled: () => void
  #plan: Plan = []
  #next = 0
  /** Handlers of the current group that have not settled. */
  #pending = 0
  /** The index behind the group that is being started. */
  #groupEnd = 0
  #groupFailed = false
  /** Ends the event: every handler that has not settled gets this instead. */
  #cut: Unfinished | undefined = undefined
  /** Whether the function of the delivery's call is on the stack, or somebody is told how it went. */
  #executing = false
  /** Whether the current group has a single handler. */
  #sole = false
  /** The calls of the current group, if it has several. */
  #calls: HandlerCall[] = []
  #outcomes: (HandlerOutcome | undefined)[] | undefined = undefined
  #onFulfilled!: (value: unknown) => void
  #onRejected!: (error: unknown) => void
  /** Between two groups, waiting for a turn of the event loop. */
  #yielded = false
  /** Whether somebody waits for the outcome, or observes, or a store keeps it. */
  #records = false
  #lease: DeliveryLease | undefined = undefined
  /** A handler is to be tried again after so long, and the store keeps the event meanwhile. */
  retryInMs: number | undefined = undefined
  /** When a handler settled, or 0 if something has happened since: the next one starts then. A look at the clock costs as much as a call. */
  #settledAt = 0
  /** Waiting for the store to record the start. */
  #held = false
  #startHeld: ((ended: Unfinished | undefined) => void) | undefined = undefined

  /** `onSettled` is called when an event settles after {@link start} has returned. */
  constructor(host: DispatchHost, onSettled: () => void) {
    this.#host = host
    this.#verbs = host.verbs
    this.#asyncContext = host.asyncContext
    this.#inherits = host.asyncContext.lasts
    this.#onSettled = onSettled
    this.#makeCallbacks()
  }

  /** What became of every handler so far, in the order of the plan; kept only if somebody waits for it. */
  get outcomes(): readonly HandlerOutcome[] {
    return (this.#outcomes ?? []).filter((outcome) => outcome !== undefined)
  }

  get holding(): HandlerCall | undefined {
    return this.#sole ? this.delivery?.call : undefined
  }

  /** Whether the store has yet to record the start. */
  get held(): boolean {
    return this.#held
  }

  /** The handlers at work. */
  get calls(): readonly HandlerCall[] {
    const { holding } = this
    return holding ? [holding] : this.#calls
  }

  /** Whether handlers of the current group have yet to start. */
  get starting(): boolean {
    return this.#next < this.#groupEnd
  }

  /** As {@link start}, once the store answers that the event may run; it may be cut before. */
  startWhen(allowed: Promise<boolean>, delivery: Delivery, plan: Plan, refused: () => Unfinished): void {
    this.delivery = delivery
    this.#held = true
    const go = (ended: Unfinished | undefined): void => {
      if (!this.#held || this.delivery !== delivery) return
      this.#held = false
      if (this.start(delivery, plan, ended)) this.#onSettled()
    }
    this.#startHeld = go
    const fail = (): void => go(refused())
    allowed.then((ok) => (ok ? go(delivery.ended) : fail()), fail)
  }

  /** Whether the event has settled already when it returns. `ended`: it ended before anything of it ran. */
  start(delivery: Delivery, plan: Plan, ended?: Unfinished): boolean {
    this.delivery = delivery
    this.#plan = plan
    this.#next = 0
    this.#groupEnd = 0
    this.#groupFailed = false
    this.#cut = ended
    this.#lease = delivery.lease
    this.#settledAt = 0
    this.retryInMs = undefined
    this.#outcomes = delivery.waiter === undefined && this.#lease === undefined ? undefined : []
    this.#records = this.#outcomes !== undefined || this.#host.observed
    return this.#asyncContext.enter(this, this.#advance)
  }

  /** Ends the event now: aborts the handlers that run and does not start the others. */
  cut(status: Unfinished['status'], error: BusError): void {
    if (this.#held) return this.#startHeld?.({ status, error })
    if (this.#cut || this.delivery === undefined) return
    const calls = this.calls.filter((call) => !call.ended)
    this.#cut = { status, error }
    // Handlers that ignore their signal will still call back: into functions that nobody listens to any more.
    this.#makeCallbacks()
    for (const call of calls) {
      if (!this.#executing || call !== this.delivery.call) this.#pending--
      call.abort(error)
      this.#end(call, this.#cut)
      this.#host.callAborted(call, error)
    }
    // If a handler is on the stack, or being settled, whoever called it goes on.
    if (this.#executing || this.#pending > 0 || (this.#next < this.#groupEnd && !this.#yielded)) return
    this.#yielded = false
    if (this.#advance()) this.#onSettled()
  }

  release(): void {
    this.#asyncContext.release(this)
    this.delivery = undefined
    this.#lease = undefined
    this.#outcomes = undefined
    if (this.#calls.length > 0) this.#calls = []
  }

  #makeCallbacks(): void {
    const fulfilled = (value: unknown): void => {
      if (fulfilled !== this.#onFulfilled) return
      this.#fulfil(this.delivery!.call!, value)
      this.#settleOne()
    }
    const rejected = (error: unknown): void => {
      if (rejected === this.#onRejected && this.#fail(this.delivery!.call!, error)) this.#settleOne()
    }
    this.#onFulfilled = fulfilled
    this.#onRejected = rejected
  }

  #settleOne(): void {
    if (--this.#pending > 0 || this.#yielded) this.#host.checkQuiet()
    else if (this.#advance()) this.#onSettled()
  }

  /** Starts handlers until some have to be waited for. Whether none is left. */
  readonly #advance = (): boolean => {
    const plan = this.#plan
    for (;;) {
      if (this.#next === this.#groupEnd) {
        if (this.#pending > 0) return false
        if (this.#next === plan.length) return true
        if (this.retryInMs !== undefined) return true
        if (this.#next > 0 && this.#cut === undefined && this.#lease !== undefined) {
          const valid = this.#lease.check()
          if (valid !== true) return this.#awaitLease(valid)
        }
        if (this.#cut !== undefined || (this.#groupFailed && this.#host.stopsOnGroupFailure)) return this.#skipRest()
        const { groupEnd, sole } = plan[this.#next]!
        this.#groupEnd = groupEnd
        this.#sole = sole
        this.delivery!.call = undefined
        if (this.#calls.length > 0) this.#calls = []
      }
      if (this.#next > 0 && this.#cut === undefined && this.#host.overdue()) return this.#yield()
      this.#pending++
      if (this.#begin(plan[this.#next++]!)) this.#pending--
    }
  }

  /** Gives the event loop a turn between two handlers. */
  #yield(): false {
    const { delivery } = this
    this.#yielded = true
    this.#host.yield(() => {
      if (!this.#yielded || this.delivery !== delivery) return
      this.#yielded = false
      this.#settledAt = 0
      if (this.#asyncContext.enter(this, this.#advance)) this.#onSettled()
    })
    return false
  }

  /** Goes on when the lease is known to be valid; otherwise whoever finds out that it is lost cuts the event. */
  #awaitLease(valid: Promise<boolean>): false {
    const { delivery } = this
    this.#yielded = true
    void valid.then((ok) => {
      if (!ok || !this.#yielded || this.delivery !== delivery) return
      this.#yielded = false
      this.#settledAt = 0
      if (this.#asyncContext.enter(this, this.#advance)) this.#onSettled()
    })
    return false
  }

  /** Whether the handler has settled already. */
  #begin(step: Step): boolean {
    const earlier = this.#lease?.earlier(step.identity!)
    if (earlier !== undefined) {
      if (earlier === 'failed') this.#groupFailed = true
      return true
    }
    if (this.#cut !== undefined || (step.owner !== undefined && step.owner.removed)) {
      this.#skip(step, this.#cut ?? SKIPPED)
      return true
    }
    if (step.once) step.owner!.remove()
    const delivery = this.delivery!
    const call = new HandlerCall(this.#verbs, delivery.message, delivery, step)
    if (this.#lease !== undefined) call.attempts = this.#lease.attemptsOf(step.identity!)
    delivery.call = call
    if (!step.sole) this.#calls.push(call)
    if (this.#records && this.#announce(call)) return true
    return this.#run(call, step)
  }

  /** Whether whoever was told ended the event. */
  #announce(call: HandlerCall): boolean {
    this.#executing = true
    call.details().startedAt = this.#settledAt || this.#host.clock.monotonic()
    this.#settledAt = 0
    this.#host.handlerStarted(call)
    this.#executing = false
    return call.ended
  }

  #run(call: HandlerCall, step: Step): boolean {
    if (!step.counts) call.attempts++
    this.#executing = true
    let value: unknown
    try {
      value =
        step.sole && this.#inherits
          ? step.run(call.message as never, call)
          : this.#asyncContext.run(call, step.run, call.message)
      if (isThenable(value)) {
        if (!call.ended) {
          this.#executing = false
          if (step.sole) void settled(value, this.#onFulfilled, this.#onRejected)
          else this.#listen(call, value)
          return false
        }
        void settled(value, noop, noop)
      }
    } catch (error) {
      return this.#fail(call, error)
    }
    this.#fulfil(call, value)
    this.#executing = false
    return true
  }

  #listen(call: HandlerCall, promise: PromiseLike<unknown>): void {
    const fulfilled = (value: unknown): void => {
      if (call.ended) return
      this.#fulfil(call, value)
      this.#settleOne()
    }
    const rejected = (error: unknown): void => {
      if (!call.ended && this.#fail(call, error)) this.#settleOne()
    }
    void settled(promise, fulfilled, rejected)
  }

  #fulfil(call: HandlerCall, value: unknown): void {
    if (call.ended) return
    if (this.#records) return this.#end(call, { status: 'fulfilled', value })
    call.ended = true
    if (call.frame !== undefined) this.#asyncContext.release(call)
  }

  /** Whether it failed for good: otherwise it runs again later. */
  #fail(call: HandlerCall, error: unknown): boolean {
    // Whoever is told of the failure may end the event.
    this.delivery!.call = call
    this.#executing = true
    const verdict: Verdict = call.ended ? { error } : this.#host.attemptFailed(call, error)
    const delayMs = verdict.retryInMs
    if (delayMs === undefined) {
      this.#end(call, { status: 'rejected', error: verdict.error, ...(verdict.reason && { reason: verdict.reason }) })
    }
    this.#executing = false
    if (call.ended) return true
    if (this.#lease !== undefined && !verdict.isRefusal) this.#tellLease(call, verdict.error)
    if (this.#lease !== undefined && delayMs! >= this.#lease.parkAfterMs && this.delivery!.waiter === undefined) {
      return this.#park(call, delayMs!)
    }
    const again = (): void => {
      call.renew()
      this.delivery!.call = call
      if (this.#run(call, call.step!)) this.#settleOne()
    }
    call.details().retry = this.#host.after(delayMs!, () => this.#asyncContext.enter(this, again))
    return false
  }

  /** Leaves the next attempt to the store: the event goes no further here. */
  #park(call: HandlerCall, delayMs: number): true {
    call.ended = true
    this.#asyncContext.release(call)
    this.retryInMs = Math.min(this.retryInMs ?? Infinity, delayMs)
    return true
  }

  /** A handler failed and is tried again: the attempt counts also if the process dies meanwhile. */
  #tellLease(call: HandlerCall, error: unknown): void {
    const { name, priority, identity } = call.step!
    const durationMs = this.#host.clock.monotonic() - call.details().startedAt
    const outcome: HandlerOutcome = { name, priority, attempts: call.attempts, durationMs, status: 'rejected', error }
    this.#lease!.handlerSettled(identity!, outcome, true)
  }

  #end(call: HandlerCall, ending: Ending): void {
    if (call.ended) return
    call.ended = true
    this.#asyncContext.release(call)
    if (call.more?.retry) this.#host.cancel(call.more.retry)
    if (ending.status !== 'fulfilled') {
      this.#groupFailed = true
      if (ending.status === 'rejected') this.#host.handlerFailed(call, ending.error)
    }
    if (!this.#records) return
    const { name, priority } = call.step!
    const durationMs = (this.#settledAt = this.#host.clock.monotonic()) - call.more!.startedAt
    this.#record(call.step!.index, { name, priority, attempts: call.attempts, durationMs, ...ending }, call)
    if (this.#host.observed) this.#settledAt = 0 // observers take time
  }

  #skipRest(): true {
    while (this.#next < this.#plan.length) this.#skip(this.#plan[this.#next++]!, this.#cut ?? SKIPPED)
    return true
  }

  #skip({ name, priority, index }: Step, ending: Ending): void {
    if (this.#outcomes === undefined) return
    this.#record(index, { name, priority, attempts: 0, durationMs: 0, ...ending })
  }

  #record(index: number, outcome: HandlerOutcome, call?: HandlerCall): void {
    if (this.#outcomes) this.#outcomes[index] = outcome
    if (call && this.#lease !== undefined) this.#lease.handlerSettled(call.step!.identity!, outcome, false)
    if (call && this.#host.observed) this.#host.handlerSettled(call, outcome)
  }
}
