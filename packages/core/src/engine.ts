import { type AsyncContext, createAsyncContext } from './async-context.ts'
import { type AddedOptions, check, DURATION } from './check.ts'
import { type Clock, systemClock } from './clock.ts'
import type { CommandResult } from './command-result.ts'
import { Commands, type CommandScreen, type CommandsHost } from './commands.ts'
import { Definitions } from './definitions.ts'
import type { Delivery, Waiter } from './delivery.ts'
import type { Dispatch, DispatchHost } from './dispatch.ts'
import { asBusError, BusError, describe, isBusError } from './errors.ts'
import { type Decision, DISCARDED, type Failure, type Verdict } from './failure.ts'
import { FailureLog } from './failure-log.ts'
import type { HandlerCall, Verbs } from './handler-call.ts'
import { createHandlerRegistry } from './handler-registry.ts'
import { Intake, type IntakeHost, type QueueSettings } from './intake.ts'
import { Lanes, type LanesHost } from './lanes.ts'
import { consoleLogger, guardLogger, type Logger } from './logger.ts'
import { BUS, type CommandMessage, copyMessage, type EventDefinition, type EventMessage } from './message.ts'
import { type HandlerFacts, Observers } from './observer.ts'
import { createOutcome, type EventOutcome, type HandlerOutcome } from './outcome.ts'
import type { EventFilter, LaneFunction, PublishingHost } from './publishing.ts'
import { Publishing } from './publishing.ts'
import type { Persistence } from './persistence.ts'
import { Quiescence, type QuiescenceHost } from './quiescence.ts'
import { type HandlerRegistry, requireContract } from './registry.ts'
import { type Plan, Routing } from './routing.ts'
import { Scheduler } from './scheduler.ts'
import type { SessionState } from './session.ts'
import { createSignals, type Signals } from './signals.ts'
import type { BusState, HealthWarning } from './stats.ts'
import { connectStore } from './store-connection.ts'
import type { Burial, StoreRunner } from './store-host.ts'
import {
  BackpressureChanged,
  CommandFailed,
  CommandStarted,
  CommandSucceeded,
  errorData,
  EventHandlerFailed,
} from './system-events.ts'
import { type Timer, Timers } from './timers.ts'

/** The settings of a bus, checked and complete. */
export interface Settings {
  readonly name: string
  readonly registry?: HandlerRegistry | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly queue: QueueSettings
  readonly concurrency: number
  readonly lane: LaneFunction | undefined
  readonly ageingMs: number
  readonly onGroupFailure: 'continue' | 'stop'
  readonly errorHistoryLimit: number
  readonly maxNestedWaits: number
  readonly asyncContext: boolean
  readonly persistence?: Persistence | undefined
}

/**
 * The parts of a bus, put together, and what each of them needs of the others. The path of an event through them:
 * publishing -> intake -> lanes -> dispatch -> handler -> settle.
 */
export class Engine implements DispatchHost, LanesHost, IntakeHost, PublishingHost, CommandsHost, QuiescenceHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly observers: Observers
  readonly failures: FailureLog
  readonly definitions: Definitions = new Definitions()
  readonly routing: Routing
  readonly asyncContext: AsyncContext
  readonly timers: Timers
  readonly lanes: Lanes
  readonly intake: Intake
  readonly scheduler: Scheduler
  readonly publishing: Publishing
  readonly executing: Commands
  readonly quiescence: Quiescence
  readonly sessions: Map<string, SessionState> = new Map()
  readonly filters: Set<EventFilter> = new Set()
  readonly verbs: Verbs
  readonly signals: Signals
  readonly lane: LaneFunction | undefined
  readonly persistence: Persistence
  readonly store: StoreRunner | undefined
  readonly maxNestedWaits: number
  readonly ageingMs: number
  readonly stopsOnGroupFailure: boolean
  state: BusState = 'created'
  /** Publishes that were refused while nobody awaited them. */
  unheardRefusals = 0
  /** Some handler may listen to the events about commands. */
  hearsCommands: boolean
  decide: ((failure: Failure) => Decision) | undefined
  screen: CommandScreen | undefined
  /** What plugins add to the options of core. */
  added: AddedOptions = null
  /** Who wants to be asked before anything is taken in. */
  readonly callers: Set<() => void> = new Set()
  /** What plugins have to say about the health of the bus. */
  readonly warnings: Set<() => readonly HealthWarning[]> = new Set()
  /** Who is told that a stored message went to the dead letters. */
  readonly buried: Set<(burial: Burial) => void> = new Set()

  constructor(settings: Settings) {
    const { registry = createHandlerRegistry(), clock = systemClock } = settings
    const logger = guardLogger(settings.logger ?? consoleLogger)
    requireContract('registry', registry, 'handler-registry/1', [
      'registerCommandHandler',
      'registerEventHandler',
      'getCommandHandler',
      'getEventHandlers',
      'unregisterSession',
    ])
    this.clock = clock
    this.logger = logger
    this.observers = new Observers(logger)
    this.failures = new FailureLog(clock, logger, settings.errorHistoryLimit)
    this.hearsCommands = settings.registry !== undefined
    this.lane = settings.lane
    this.maxNestedWaits = settings.maxNestedWaits
    this.ageingMs = settings.ageingMs
    this.stopsOnGroupFailure = settings.onGroupFailure === 'stop'
    this.routing = new Routing(registry, settings.registry === undefined)
    this.asyncContext = createAsyncContext(settings.asyncContext)
    this.verbs = {
      publish: (event, options, call) => this.publishing.publish(event, options, call),
      publishAndWait: (event, options, call) => this.publishing.publishAndWait(event, options, call),
      execute: (command, options, call) => this.executing.execute(command, options, call),
      schedule: (event, options, call) => this.publishing.schedule(event, options, call),
    }
    this.timers = new Timers(clock)
    this.lanes = new Lanes(this, this, clock, settings.concurrency)
    this.intake = new Intake(this, settings.queue)
    this.scheduler = new Scheduler(this.timers, (due, lateMs) => this.publishing.admitDue(due, lateMs))
    this.publishing = new Publishing(this)
    this.executing = new Commands(this)
    this.quiescence = new Quiescence(this)
    this.signals = createSignals((error) => this.observers.failed(error))
    this.persistence = settings.persistence ?? {}
    this.store = connectStore(this, settings.name, settings.concurrency, settings.persistence)
  }

  readonly called = (): void => {
    for (const caller of this.callers) {
      try {
        caller()
      } catch (error) {
        this.observers.failed(error)
      }
    }
  }

  get screens(): boolean {
    return (
      this.lane !== undefined || this.observers.any || this.filters.size > 0 || this.routing.publishHooks.length > 0
    )
  }

  session(id: string): SessionState | undefined {
    return id === BUS ? undefined : this.sessions.get(id)
  }

  requireOpen(sessionId: string, call: HandlerCall | undefined): void {
    const session = this.session(sessionId)
    const closing = this.state === 'stopping' || this.state === 'stopped'
    if (!closing && session?.status !== 'ending') return
    // What handlers that are still finishing publish is accepted.
    if (!(closing && this.lanes.closed) && this.publisher(call)) return
    throw closing
      ? new BusError(
          'BUS_STOPPED',
          `The bus is ${this.state} and takes nothing new. Start it again, or publish earlier`,
        )
      : new BusError(
          'SESSION_ENDED',
          `Session '${sessionId}' is ending and takes nothing new. Open it again afterwards`,
        )
  }

  // -- the way of an event ------------------------------------------------------------------------------------------

  get draining(): boolean {
    return this.state === 'running' || this.state === 'stopping'
  }

  begin(delivery: Delivery, dispatch: Dispatch): boolean {
    if (delivery.parent === undefined) this.intake.begin(delivery)
    else this.intake.beginNested(delivery)
    const plan = this.plan(delivery.message, delivery.waiter)
    if (this.observers.any) this.#tellStarted(delivery, plan.length)
    if (delivery.lease !== undefined && delivery.ended === undefined) {
      const allowed = delivery.lease.begin(plan)
      if (allowed !== true) {
        dispatch.startWhen(allowed, delivery, plan, () => ({ status: 'aborted', error: leaseLost(delivery) }))
        return false
      }
    }
    return dispatch.start(delivery, plan, delivery.ended)
  }

  #tellStarted({ message, parent, at, lease }: Delivery, handlers: number): void {
    const nested = parent !== undefined
    const waitedMs = nested ? 0 : Math.max(0, this.clock.monotonic() - at)
    this.observers.tell('eventStarted', message, { handlers, waitedMs, nested, stored: lease !== undefined })
  }

  settle(dispatch: Dispatch): Promise<void> | undefined {
    const delivery = dispatch.delivery!
    const { lease } = delivery
    const { outcomes } = dispatch
    if (lease === undefined) {
      this.#settled(delivery, outcomes)
      return undefined
    }
    // It counts as running until its end is written; in a lane that has an order across processes the next event waits for that.
    let written: Promise<void>
    try {
      written = lease.settle(outcomes, dispatch.retryInMs)
    } catch (error) {
      // A lane goes on, whatever a store or a plugin does.
      this.logger.error({ error, id: delivery.message.id }, `The end of '${delivery.message.type}' cannot be written`)
      written = Promise.resolve()
    }
    const settled = (): void => this.#settled(delivery, outcomes)
    written.then(settled, settled)
    return delivery.laneKey === undefined || delivery.laneKey === BUS ? undefined : written
  }

  #settled(delivery: Delivery, outcomes: readonly HandlerOutcome[]): void {
    this.intake.settle(delivery)
    delivery.waiter?.resolve(outcomeOf(delivery, outcomes))
    if (this.observers.any) this.observers.tell('eventSettled', delivery.message)
    this.checkQuiet()
  }

  cut(
    delivery: Delivery,
    status: 'timed-out' | 'aborted',
    error: BusError,
    stays: boolean = delivery.lease !== undefined,
  ): void {
    const { message, waiter } = delivery
    if (delivery.state === 'running') {
      for (const dispatch of this.lanes.active) if (dispatch.delivery === delivery) dispatch.cut(status, error)
    } else if (stays || delivery.state === 'waiting') {
      const outcomes = this.plan(message, waiter).map(({ name, priority }) => {
        return { name, priority, attempts: 0, durationMs: 0, status, error } satisfies HandlerOutcome
      })
      // Only the wait for a stored event is over: the event stays where it is.
      if (!stays) this.intake.remove(delivery, 'settled')
      delivery.waiter = undefined
      waiter?.resolve(outcomeOf(delivery, outcomes))
      this.checkQuiet()
    } else if (delivery.state === 'offered') {
      delivery.ended = { status, error }
    }
  }

  accepted({ message, priority }: Delivery): void {
    if (this.observers.any) this.observers.tell('eventAccepted', message, { priority })
  }

  refused({ message }: Delivery, reason: 'dropped' | 'rejected', error?: unknown): void {
    if (this.observers.any) this.observers.tell('eventRefused', message, { reason, error })
    this.checkQuiet()
  }

  /** The handler that publishes, if one does and is still at work. */
  publisher(call: HandlerCall | undefined): HandlerCall | undefined {
    return call?.live ? call : this.asyncContext.current()
  }

  backpressure(level: 'high' | 'normal', waiting: number): void {
    if (this.observers.any) this.observers.tell('backpressureChanged', level, waiting)
    this.emit(BackpressureChanged, BUS, { level, waiting, capacity: this.intake.capacity })
  }

  readonly unheard = (error: unknown): void => {
    this.unheardRefusals++
    const subject = 'A publish failed and nobody awaits it'
    this.failures.say(isBusError(error) && error.code, { level: 'warn', subject, fields: { error } }, error)
  }

  // -- handlers -----------------------------------------------------------------------------------------------------

  get observed(): boolean {
    return this.observers.any
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.timers.after(delayMs, callback)
  }

  cancel(timer: Timer | undefined): void {
    this.timers.cancel(timer)
  }

  overdue(): boolean {
    return this.lanes.overdueWithin()
  }

  yield(callback: () => void): void {
    this.lanes.yield(callback)
  }

  handlerStarted(call: HandlerCall): void {
    if (this.observers.any) this.observers.tell('handlerStarted', call.message as EventMessage, factsOf(call, 1))
  }

  handlerSettled(call: HandlerCall, outcome: HandlerOutcome): void {
    this.observers.tell('handlerSettled', call.message as EventMessage, outcome)
  }

  attemptFailed(call: HandlerCall, thrown: unknown): Verdict {
    const verdict = this.#decide(call, thrown)
    if (this.observers.any) {
      const { message, step, attempts: attempt } = call
      const { error, retryInMs } = verdict
      const facts = { error, ...(retryInMs !== undefined && { retryInMs }) }
      if (step) this.observers.tell('attemptFailed', message as EventMessage, factsOf(call), facts)
      else this.observers.tell('commandAttemptFailed', message as CommandMessage, { attempt, ...facts })
    }
    return verdict
  }

  handlerFailed(call: HandlerCall, error: unknown): void {
    const { message, attempts } = call
    const { name: handler, priority } = call.step!
    const failure = { message, handler, priority, error, attempts, failedAt: this.clock.now() }
    this.failures.add(failure, call.step!.owner ?? call.step!)
    if (call.delivery!.quiet) return
    const { id: eventId, type: eventType, sessionId } = message
    const payload = { eventId, eventType, handler, priority, attempts, error: errorData(error) }
    this.emit(EventHandlerFailed, sessionId, payload, message)
  }

  callAborted(call: HandlerCall, error: BusError): void {
    for (const dispatch of this.lanes.active) if (dispatch.delivery?.parent === call) dispatch.cut('aborted', error)
    for (const delivery of this.lanes.beginning) {
      if (delivery.parent === call) delivery.ended = { status: 'aborted', error }
    }
    for (const command of this.executing.running) if (command.caller === call) command.more?.end?.(error)
  }

  // -- commands -----------------------------------------------------------------------------------------------------

  get commands(): ReadonlySet<HandlerCall> {
    return this.executing.running
  }

  get commandsObserved(): boolean {
    return this.hearsCommands || this.observers.any
  }

  commandStarted(command: CommandMessage): void {
    if (this.observers.any) this.observers.tell('commandStarted', command)
    this.emit(CommandStarted, command.sessionId, aboutCommand(command), command)
  }

  commandSettled(call: HandlerCall, result: CommandResult<unknown>, durationMs: number): void {
    const command = call.message as CommandMessage
    const { sessionId } = command
    if (this.observers.any) this.observers.tell('commandSettled', command, result, { durationMs })
    const payload = { ...aboutCommand(command), attempts: result.attempts, durationMs }
    if (result.success) this.emit(CommandSucceeded, sessionId, payload, command)
    else if (!call.delivery?.quiet) {
      this.emit(CommandFailed, sessionId, { ...payload, error: errorData(result.error) }, command)
    }
  }

  // -- both ---------------------------------------------------------------------------------------------------------

  get accepting(): number {
    return this.publishing.accepting + (this.store?.pending ?? 0)
  }

  checkQuiet(): void {
    if (this.quiescence.waited) this.quiescence.check()
  }

  /** Publishes an event of the bus's own, if somebody listens (R-SYS-1). */
  emit<Payload>(
    definition: EventDefinition<Payload>,
    sessionId: string,
    payload: Payload,
    cause?: EventMessage | CommandMessage | HandlerCall['message'],
  ): void {
    if (this.state === 'stopped' || this.plan({ type: definition.type, sessionId }).length === 0) return
    const make = definition as EventDefinition<unknown> & ((payload: unknown, options: object) => EventMessage)
    const message = make(payload, { sessionId, correlationId: cause?.correlationId, causationId: cause?.id })
    this.publishing.publishSystem(message, definition)
  }

  /** Who handles a message. A registry that fails must not take the event's path down with it. */
  plan(
    { type, sessionId, kind }: Pick<EventMessage, 'type' | 'sessionId'> & { readonly kind?: 'event' | 'command' },
    waiter?: Waiter,
  ): Plan {
    try {
      return kind === 'command' ? this.routing.commandPlan(type, sessionId) : this.routing.plan(type, sessionId)
    } catch (error) {
      return this.#registryFailed(type, error, waiter)
    }
  }

  #registryFailed(type: string, error: unknown, waiter: Waiter | undefined): Plan {
    this.logger.error({ error }, `The registry failed, so nobody handles '${type}': ${describe(error)}`)
    waiter?.reject(asBusError(error, 'HANDLER_FAILED', 'The registry failed'))
    return []
  }

  #decide(call: HandlerCall, error: unknown): Verdict {
    if (!this.decide) return { error }
    try {
      const { step, delivery, more } = call
      const message = call.message as EventMessage | CommandMessage
      const input = step ? delivery!.input : more?.input
      const registration = (step ?? more!).registration!
      const decision = this.decide({
        message,
        input: input ? copyMessage(message, { payload: input.payload }, input.version) : message,
        definition: this.definitions.get(message.type),
        handler: registration.name,
        registration,
        error,
        attempts: call.attempts,
        context: call,
        get signal() {
          return call.signal
        },
        isStored: call.isStored,
        isQuiet: delivery?.quiet === true,
      })
      const told = 'error' in decision ? decision.error : error
      if (decision.action === 'retry') {
        const { delayMs, isRefusal = false } = decision
        check('delayMs of a decision', delayMs, DURATION)
        return { error: told, retryInMs: delayMs, isRefusal }
      }
      const reason = decision.action === 'discard' ? DISCARDED : decision.reason
      return { error: told, ...(reason && { reason }), ...(decision.asIs && { asIs: true }) }
    } catch (failure) {
      this.observers.failed(failure)
      return { error }
    }
  }
}

const leaseLost = ({ message: { type, id } }: Delivery): BusError =>
  new BusError('LEASE_LOST', `The lease of '${type}' ${id} was lost before its handlers began; another worker has it`)

const outcomeOf = ({ message: { id, type } }: Delivery, outcomes: readonly HandlerOutcome[]): EventOutcome =>
  createOutcome(id, type, 'handled', outcomes)

const factsOf = (call: HandlerCall, attempt: number = call.attempts): HandlerFacts => {
  const { name, priority } = call.step!
  return { name, priority, attempt }
}

const aboutCommand = ({ id: commandId, type: commandType, sessionId }: CommandMessage) => ({
  commandId,
  commandType,
  sessionId,
})
