import { check, checkOptions, DURATION, FUNCTION, type Kinds, SIGNAL, TEXT } from './check.ts'
import { type BusOptions, readOptions } from './bus-options.ts'
import type { CommandResult } from './command-result.ts'
import type { CommandHandler, EventHandler } from './context.ts'
import { Engine } from './engine.ts'
import { aborted, BusError, invalid } from './errors.ts'
import type { HandlerFailure } from './failure.ts'
import { readHealth, readStats } from './health.ts'
import { Lifecycle } from './lifecycle.ts'
import { BUS, type CommandDefinition, type CommandMessage, type EventDefinition, type EventMessage } from './message.ts'
import type { Middleware } from './middleware.ts'
import type { Observer } from './observer.ts'
import type {
  CommandHandlerOptions,
  ExecuteOptions,
  HandlerOptions,
  PublishAndWaitOptions,
  PublishOptions,
  PublishReceipt,
  ScheduleOptions,
} from './options.ts'
import type { EventOutcome } from './outcome.ts'
import { installPlugins } from './plugin.ts'
import type { EventFilter } from './publishing.ts'
import { registerCommand, registerEvent, registerPattern } from './registering.ts'
import type { Registration } from './routing.ts'
import type { ScheduledEvent } from './scheduler.ts'
import { type OnArguments, type Session, SessionState } from './session.ts'
import { BusSession } from './bus-session.ts'
import { keep } from './signals.ts'
import type { BusHealth, BusState, BusStats, StopReport } from './stats.ts'
import { type Closers, eventStream, nextEvent, type Subscribe } from './streams.ts'
import { SessionStarted } from './system-events.ts'

/** A message bus. Make one with {@link createBus}. */
export interface Bus extends AsyncDisposable {
  readonly name: string
  readonly state: BusState
  /** The newest final failures of event handlers, newest last. */
  readonly errors: readonly HandlerFailure[]

  /**
   * Registers a handler for a type of event. Handlers run in strict priority order: a group of equal priority starts
   * when every handler of the group before has settled.
   *
   * @throws {BusError} `INVALID_ARGUMENT` (a priority that is no finite number, a handler of a durable type without a
   * name), `HANDLER_EXISTS` (a second one of its name for a durable type), `TYPE_CONFLICT`.
   */
  on<Input, Output, Durable extends boolean>(
    definition: EventDefinition<Input, Output, Durable>,
    handler: EventHandler<NoInfer<Output>>,
    ...options: OnArguments<Durable>
  ): Registration
  /** Registers a handler for every type that matches: `*` is one segment, `**` any number. Never system events. */
  onPattern(pattern: string, handler: EventHandler, options?: HandlerOptions): Registration
  /**
   * Registers the handler of a command.
   *
   * @throws {BusError} `HANDLER_EXISTS` if the bus has one, `TYPE_CONFLICT`, `INVALID_ARGUMENT`.
   */
  handle<Input, Result, Output>(
    definition: CommandDefinition<Input, Result, Output>,
    handler: CommandHandler<Output, NoInfer<Result>>,
    options?: CommandHandlerOptions,
  ): Registration
  /**
   * Adds code around handlers and around publishing; also around handlers that are registered already.
   *
   * @throws {BusError} `INVALID_ARGUMENT` for what has none of the hooks, or one that is no function.
   */
  use(middleware: Middleware): Disposable
  /** Events for which it answers `false` are not accepted: the receipt says `filtered`. @throws {BusError} `INVALID_ARGUMENT` */
  filter(filter: EventFilter): Disposable
  /** Tells an observer what happens. @throws {BusError} `INVALID_ARGUMENT` as `use` */
  observe(observer: Observer): Disposable

  /**
   * Publishes an event. *Resolves when* it is accepted, not when it is handled. *Order*: by event priority and time of
   * acceptance within its lane. Without an asynchronous schema or publish middleware it is accepted before the call
   * returns; handlers start later, never inside the call. *Failure*: a refusal that nobody awaits is counted and logged.
   *
   * @throws {BusError} `QUEUE_FULL`, `INVALID_PAYLOAD`, `BUS_STOPPED`, `SESSION_ENDED`, `ABORTED`, `FILTER_FAILED`,
   * `LANE_FAILED`, `TYPE_CONFLICT`, `UNKNOWN_VERSION`, `INVALID_ARGUMENT`, `PERSISTENCE_UNAVAILABLE`,
   * `HANDLER_PUBLISH_LIMIT`.
   */
  publish(event: EventMessage, options?: PublishOptions): Promise<PublishReceipt>
  /**
   * Publishes an event and resolves with how every handler ended. Failures of handlers are in the outcome, not thrown;
   * see `throwIfFailed`. Inside a handler it runs at once as part of that handler, so it cannot deadlock.
   *
   * @throws {BusError} as `publish`, and `EVENT_DROPPED`, `NESTED_WAIT_LIMIT`; `TIMED_OUT` if the time was over before
   * the event was accepted; `BUS_STOPPED` also if the bus stopped before the event began.
   */
  publishAndWait(event: EventMessage, options?: PublishAndWaitOptions): Promise<EventOutcome>
  /** Calls the handler of a command at once. Never rejects: what goes wrong is in the result. */
  execute<Result>(command: CommandMessage<unknown, Result>, options?: ExecuteOptions): Promise<CommandResult<Result>>
  /**
   * Publishes an event later: never early, and late by at most one tick of the timer. Filters and publish middleware run
   * now.
   *
   * @throws {BusError} as `publish`; `INVALID_ARGUMENT` for an invalid date or a negative delay.
   */
  schedule(event: EventMessage, options: ScheduleOptions): Promise<ScheduledEvent>

  /**
   * Opens a session.
   *
   * @throws {BusError} `SESSION_EXISTS` while one of that id is open, `INVALID_ARGUMENT` for `BUS` or an empty id,
   * `BUS_STOPPED`.
   */
  session(id: string): Session
  /** The open session of that id. */
  getSession(id: string): Session | undefined

  /** Resolves with the next event of the type that passes. @throws {BusError} `ABORTED`, `BUS_STOPPED` */
  next<Input, Output>(
    definition: EventDefinition<Input, Output>,
    predicate?: (event: EventMessage<Output>) => boolean,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<EventMessage<Output>>
  /**
   * The events of a type from now on. The loop ends with the signal and with the bus.
   *
   * @throws {BusError} `STREAM_OVERFLOW` when the reader is 10,000 events behind.
   */
  events<Input, Output>(
    definition: EventDefinition<Input, Output>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<EventMessage<Output>> & AsyncDisposable

  /** Starts handling; what was published before is handled first, in order. */
  start(): Promise<void>
  /**
   * Resolves at the first moment when nothing waits or runs here, what handlers publish meanwhile included. Events
   * scheduled for later do not count. Inside a handler it does not wait for that handler.
   *
   * @throws {BusError} `ABORTED`
   */
  idle(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  /**
   * Refuses new work, finishes what runs and waits within `timeoutMs` (default 10,000), then aborts the rest, ends the
   * sessions, and stops the plugins in reverse order. The events that say that sessions ended have up to a second more;
   * hooks of plugins have no limit. A stopped bus can be started again.
   */
  stop(options?: { readonly timeoutMs?: number | undefined }): Promise<StopReport>

  stats(): BusStats
  health(): BusHealth
  /** How many failures `errors` keeps; 0 clears it and keeps none. */
  setErrorHistoryLimit(limit: number): void
}

/**
 * Creates a bus. Nothing is handled before `start()`; until then events are kept in order.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the option's name, also of one that does not exist, `PLUGIN_FAILED`, `UNSUPPORTED_CONTRACT`.
 * @example
 * const Greeted = defineEvent<{ name: string }>('greeted')
 * await using bus = createBus()
 * bus.on(Greeted, ({ payload }) => `hello ${payload.name}`)
 * await bus.start()
 * const outcome = await bus.publishAndWait(Greeted({ name: 'Ada' }))
 * outcome.handlers[0]?.status // => 'fulfilled'
 */
export const createBus = (options: BusOptions = {}): Bus => new MessageBus(options)

const STOP: Kinds = { timeoutMs: DURATION }

type Signal = { readonly signal?: AbortSignal | undefined } | undefined

class MessageBus implements Bus {
  readonly name: string
  readonly #engine: Engine
  readonly #lifecycle: Lifecycle
  readonly #closers: Closers = new Set()
  readonly #concurrency: number
  readonly #handles = new WeakMap<SessionState, Session>()

  constructor(options: BusOptions) {
    const settings = readOptions(options)
    this.name = settings.name
    this.#concurrency = settings.concurrency
    this.#engine = new Engine(settings)
    this.#lifecycle = new Lifecycle(
      this.#engine,
      installPlugins(this.#engine, options.plugins ?? [], this),
      this.#closers,
    )
  }

  get state(): BusState {
    return this.#engine.state
  }

  get errors(): readonly HandlerFailure[] {
    return this.#engine.failures.kept
  }

  on<Input, Output, Durable extends boolean>(
    definition: EventDefinition<Input, Output, Durable>,
    handler: EventHandler<NoInfer<Output>>,
    ...options: OnArguments<Durable>
  ): Registration {
    return registerEvent(this.#engine, definition, BUS, handler, options[0])
  }

  onPattern(pattern: string, handler: EventHandler, options?: HandlerOptions): Registration {
    return registerPattern(this.#engine, pattern, handler, options)
  }

  handle<Input, Result, Output>(
    definition: CommandDefinition<Input, Result, Output>,
    handler: CommandHandler<Output, NoInfer<Result>>,
    options?: CommandHandlerOptions,
  ): Registration {
    return registerCommand(this.#engine, definition, BUS, handler, options)
  }

  use(middleware: Middleware): Disposable {
    return this.#engine.routing.use(middleware)
  }

  filter(filter: EventFilter): Disposable {
    check('The filter', filter, FUNCTION)
    return keep(this.#engine.filters, (event) => filter(event))
  }

  observe(observer: Observer): Disposable {
    return this.#engine.observers.add(observer)
  }

  publish(event: EventMessage, options?: PublishOptions): Promise<PublishReceipt> {
    return this.#engine.publishing.publish(event, options)
  }

  publishAndWait(event: EventMessage, options?: PublishAndWaitOptions): Promise<EventOutcome> {
    return this.#engine.publishing.publishAndWait(event, options)
  }

  execute<Result>(command: CommandMessage<unknown, Result>, options?: ExecuteOptions): Promise<CommandResult<Result>> {
    return this.#engine.executing.execute(command, options)
  }

  schedule(event: EventMessage, options: ScheduleOptions): Promise<ScheduledEvent> {
    return this.#engine.publishing.schedule(event, options)
  }

  session(id: string): Session {
    const engine = this.#engine
    check('The id of a session', id, TEXT)
    if (id === BUS) throw invalid(`'${BUS}' is the bus itself and cannot be opened or ended. Choose another session id`)
    engine.requireOpen(BUS, undefined)
    if (engine.sessions.has(id)) {
      throw new BusError('SESSION_EXISTS', `Session '${id}' is open. Use getSession('${id}'), or end it first`)
    }
    const state = new SessionState(id)
    engine.sessions.set(id, state)
    const session = new BusSession(engine, state)
    this.#handles.set(state, session)
    if (engine.observers.any) engine.observers.tell('sessionStarted', id)
    engine.emit(SessionStarted, id, { sessionId: id })
    return session
  }

  getSession(id: string): Session | undefined {
    check('The id of a session', id, TEXT)
    const state = this.#engine.sessions.get(id)
    return state && this.#handles.get(state)
  }

  async next<Input, Output>(
    definition: EventDefinition<Input, Output>,
    predicate?: (event: EventMessage<Output>) => boolean,
    options?: Signal,
  ): Promise<EventMessage<Output>> {
    if (predicate !== undefined) check('The predicate of next', predicate, FUNCTION)
    checkOptions('next', options, SIGNAL)
    this.#engine.requireOpen(BUS, undefined)
    const found = await nextEvent(
      this.#subscribe(definition, 'next'),
      this.#closers,
      predicate as never,
      options?.signal,
    )
    return found as EventMessage<Output>
  }

  events<Input, Output>(
    definition: EventDefinition<Input, Output>,
    options?: Signal,
  ): AsyncIterableIterator<EventMessage<Output>> & AsyncDisposable {
    checkOptions('events', options, SIGNAL)
    const stream = eventStream(this.#subscribe(definition, 'events'), this.#closers, options?.signal)
    return stream as AsyncIterableIterator<EventMessage<Output>> & AsyncDisposable
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  async idle(options?: Signal): Promise<void> {
    checkOptions('idle', options, SIGNAL)
    const signal = options?.signal
    const { quiescence, asyncContext } = this.#engine
    if (signal?.aborted) throw aborted('idle()', signal.reason)
    const wait = quiescence.wait({ call: asyncContext.current() })
    if (!signal) return wait.done
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(aborted('idle()', signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([wait.done, promise])
    } finally {
      wait.cancel()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async stop(options?: { readonly timeoutMs?: number | undefined }): Promise<StopReport> {
    checkOptions('stop', options, STOP)
    return this.#lifecycle.stop(options?.timeoutMs ?? 10_000, this.#engine.asyncContext.current())
  }

  stats(): BusStats {
    return readStats(this.#engine, this.name, this.#concurrency)
  }

  health(): BusHealth {
    return readHealth(this.#engine)
  }

  setErrorHistoryLimit(limit: number): void {
    check('The limit of the error history', limit, 'a whole number from 0, or Infinity')
    this.#engine.failures.setLimit(limit)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #subscribe(definition: unknown, name: string): Subscribe {
    return (handler) => registerEvent(this.#engine, definition, BUS, handler, { name: `bus.${name}()` })
  }
}
