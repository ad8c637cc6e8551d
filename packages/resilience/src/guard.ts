import {
  BUS,
  BusError,
  type Burial,
  type Clock,
  type Decision,
  type EventMessage,
  type Failure,
  type HandlerContext,
  type HandlerRegistration,
  type HealthWarning,
  type Message,
  type PluginHost,
  type RunContext,
  type StoredError,
  type WrappedHandler,
} from '@buslane/core'
import { storedError } from '@buslane/core/store-runner'
import { Circuit, type CircuitSnapshot, type CircuitState } from './circuit.ts'
import { DeadLetters } from './dead-letters.ts'
import type { DeadMessage } from './dead-message.ts'
import { Deadlines } from './deadlines.ts'
import {
  CircuitClosed,
  CircuitHalfOpened,
  CircuitOpened,
  CommandDeadLettered,
  DeadLetterMoved,
  EventDeadLettered,
  HandlerRanAway,
  IntakePaused,
  IntakeResumed,
} from './events.ts'
import { type GuardHost, HandlerGuard, type HandlerRecord } from './handler-guard.ts'
import { type LastFailure, statsOf, Tally } from './handler-stats.ts'
import { IntakePause } from './intake-pause.ts'
import { type BoxedLetter, LetterBox } from './letter-box.ts'
import { LetterWriter } from './letter-writer.ts'
import type { ResilienceOptions } from './options.ts'
import { checkPolicies, policyOf } from './policies.ts'
import { type FailureFacts, recover, type Recovery } from './recoverability.ts'
import { ReplayLease } from './replay-lease.ts'
import type { GuardedHandler, NamedStats, Resilience } from './resilience.ts'
import { Sequences } from './sequences.ts'

/** What is remembered of a message in memory, or of one claim of a stored one, while one of its handlers fails. */
interface History {
  readonly firstFailedAt: number
  /** The last ones; of a stored message the store has them. */
  readonly errors: StoredError[]
}

/** A command that is at work once more. */
interface Replaying {
  readonly boxed: BoxedLetter
  /** Whether it has come to a letter again. */
  isDead: boolean
}

const MAX_ERRORS = 10
/** Handlers of so many names and types are told apart; beyond that the first are forgotten. */
const MAX_RECORDS = 10_000

/** The parts of the plugin, put together for the bus it is installed on. */
export class Guard implements Resilience, GuardHost {
  readonly name = 'resilience'
  readonly graceMs: number
  deadlines!: Deadlines
  clock!: Clock
  readonly #options: ResilienceOptions
  readonly #random: () => number
  readonly #box: LetterBox
  #bus!: PluginHost
  #writer!: LetterWriter
  #letters: DeadLetters | undefined
  #intake: IntakePause | undefined
  #sequences: Sequences | undefined
  #isStopped = false
  readonly #records = new Map<string, HandlerRecord>()
  readonly #guards = new WeakMap<object, Map<string, HandlerGuard>>()
  readonly #histories = new WeakMap<HandlerContext, History>()
  readonly #sessions = new Map<string, Tally>()
  /** Types with a handler that has no name of its own: a store cannot keep their events. */
  readonly #unnamed = new Set<string>()
  readonly #restored = new Map<string, CircuitState>()
  readonly #replaying = new Map<string, Replaying>()
  readonly #leases = new Set<ReplayLease>()

  constructor(options: ResilienceOptions) {
    this.#options = options
    this.graceMs = options.graceMs ?? 1000
    this.#random = options.random ?? Math.random
    this.#box = new LetterBox(options.lettersInMemory ?? 1000)
  }

  // -- the plugin -------------------------------------------------------------------------------------------------

  install(bus: PluginHost): void {
    if (this.#letters) {
      throw new BusError('INVALID_ARGUMENT', 'A guard is for one bus: make one for each with resilience()')
    }
    const { clock, logger, persistence, signals } = bus
    const { redact = {}, intakePause, sequences } = this.#options
    this.#bus = bus
    this.clock = clock
    this.deadlines = new Deadlines(clock)
    this.#writer = new LetterWriter({
      clock,
      logger,
      persistence,
      redact,
      box: this.#box,
      node: this.#options.node ?? processName(),
      isStorable: (type) => !this.#unnamed.has(type),
      report: (what) => signals.report(`buslane.dead_letters.${what}`, 1),
    })
    this.#letters = new DeadLetters({
      persistence,
      bus,
      box: this.#box,
      writer: this.#writer,
      lease: (boxed) => this.#lease(boxed),
      executing: (boxed) => this.#executing(boxed),
      moved: (key, action, by) => {
        logger.info({ key, by }, `Dead letter ${key} was ${action} by ${by}`)
        this.#emit(DeadLetterMoved({ key, action, by }))
      },
    })
    if (intakePause) {
      this.#intake = new IntakePause(intakePause, {
        clock,
        gate: (type, isOpen) => bus.gate(type, isOpen),
        paused: (type) => {
          signals.report('buslane.intake.paused', 1, { type })
          this.#emit(IntakePaused({ messageType: type }))
        },
        resumed: (type) => {
          signals.report('buslane.intake.paused', 0, { type })
          this.#emit(IntakeResumed({ messageType: type }))
        },
      })
    }
    if (sequences && persistence.deadLetters) this.#sequences = new Sequences(persistence.deadLetters)
    bus.wrap({
      accept: (handler) => this.#accept(handler),
      around: (handler, run) => this.#guardOf(handler).around(run),
    })
    bus.onFailure((failure) => this.#decide(failure))
    bus.onBuried((burial) => this.#buried(burial))
    bus.onHealth(() => this.#warnings())
    bus.onStart(() => {
      this.#isStopped = false
      this.deadlines.open()
      this.#intake?.start()
    })
    bus.onStop(() => this.#stop())
    signals.gauge('buslane.dead_letters.in_memory', () => this.#box.size)
    signals.gauge('buslane.circuits.open', () => this.circuits().filter(({ state }) => state.is === 'open').length)
  }

  get deadLetters(): DeadLetters {
    if (this.#letters) return this.#letters
    throw new BusError('INVALID_ARGUMENT', 'The guard is not installed: createBus({ plugins: [guard] })')
  }

  // -- what people see --------------------------------------------------------------------------------------------

  handlerStats({ by = 'handler' }: { readonly by?: 'handler' | 'type' | 'session' } = {}): readonly NamedStats[] {
    const now = this.clock.monotonic()
    if (by === 'session') {
      return [...this.#sessions].map(([sessionId, tally]) => {
        return { handler: undefined, type: undefined, sessionId, ...statsOf([tally], now) }
      })
    }
    const records = [...this.#records.values()]
    if (by === 'handler') {
      return records.map(({ name, type, tally }) => {
        return { handler: name, type, sessionId: undefined, ...statsOf([tally], now) }
      })
    }
    return [...Map.groupBy(records, ({ type }) => type)].map(([type, those]) => {
      const tallies = those.map(({ tally }) => tally)
      return { handler: undefined, type, sessionId: undefined, ...statsOf(tallies, now) }
    })
  }

  circuits(): readonly CircuitSnapshot[] {
    return [...this.#records.values()].flatMap(({ circuit }) =>
      circuit ? [{ name: circuit.name, state: circuit.state }] : [],
    )
  }

  restoreCircuits(circuits: readonly CircuitSnapshot[]): void {
    for (const { name, state } of circuits) {
      const record = this.#records.get(name)
      if (record?.circuit) record.circuit.restore(state)
      else this.#restored.set(name, state)
    }
  }

  policies(): readonly GuardedHandler[] {
    return [...this.#records.values()].map(({ kind, type, name, policy, circuit }) => {
      const { retry, timeoutMs } = policy
      return { kind, type, handler: name, maxAttempts: retry.maxAttempts, timeoutMs, circuit: circuit?.name }
    })
  }

  // -- what guards call -------------------------------------------------------------------------------------------

  abort(context: HandlerContext, error: BusError): void {
    this.#bus.abort(context, error)
  }

  ranAway({ id: messageId, type: messageType, sessionId }: Message, handler: string, timeoutMs: number): void {
    const { logger, signals } = this.#bus
    logger.warn({ messageId }, `Handler '${handler}' of '${messageType}' ignores its signal and runs on`)
    signals.report('buslane.handler.ran_away', 1, { handler, type: messageType })
    this.#emit(HandlerRanAway({ messageId, messageType, sessionId, handler, timeoutMs }, { sessionId }))
  }

  intakeOf(type: string): Circuit | undefined {
    return this.#intake?.of(type)
  }

  inSequence(message: Message, context: RunContext): Promise<void> | undefined {
    return context.attempts > 0 ? undefined : this.#sequences?.inOrder(message)
  }

  tallyOfSession(sessionId: string): Tally | undefined {
    const { sessionStats = 0 } = this.#options
    if (sessionStats === 0) return undefined
    const tally = this.#sessions.get(sessionId) ?? new Tally()
    // What was used last is last, so that the first is what has been unused for longest.
    this.#sessions.delete(sessionId)
    this.#sessions.set(sessionId, tally)
    if (this.#sessions.size > sessionStats) this.#sessions.delete(this.#sessions.keys().next().value!)
    return tally
  }

  lastFailure(error: unknown): LastFailure {
    const { name, message, failedAt } = storedError(error, this.clock.now())
    return { name, message, failedAt }
  }

  // -- handlers ---------------------------------------------------------------------------------------------------

  #accept({ definition, registration, type }: WrappedHandler): void {
    const { name, options = {} } = registration
    checkPolicies(`The options of '${type}'`, definition?.options ?? {})
    checkPolicies(`The options of handler '${name}' of '${type}'`, options)
  }

  #guardOf(handler: WrappedHandler): HandlerGuard {
    const { kind, type, registration } = handler
    if (kind === 'event' && identityOf(registration) === undefined) this.#unnamed.add(type)
    let guards = this.#guards.get(registration)
    if (!guards) this.#guards.set(registration, (guards = new Map<string, HandlerGuard>()))
    let guard = guards.get(type)
    if (!guard) guards.set(type, (guard = new HandlerGuard(this, this.#recordOf(handler), handler)))
    return guard
  }

  /** Handlers of one name and type share their figures and their circuit, whatever session they belong to. */
  #recordOf(handler: WrappedHandler): HandlerRecord {
    const { kind, type, registration } = handler
    const { name } = registration
    const key = kind === 'command' ? type : `${type} ${name}`
    const known = this.#records.get(key)
    if (known) return known
    const policy = policyOf(this.#options, handler)
    const circuit =
      policy.circuit &&
      new Circuit(key, policy.circuit, { now: () => this.clock.monotonic(), changed: (one) => this.#tellOf(one) })
    const record: HandlerRecord = { kind, type, name, policy, tally: new Tally(), circuit }
    this.#records.set(key, record)
    const restored = this.#restored.get(key)
    if (restored) circuit?.restore(restored)
    this.#restored.delete(key)
    if (this.#records.size > MAX_RECORDS) this.#records.delete(this.#records.keys().next().value!)
    return record
  }

  #tellOf(circuit: Circuit): void {
    const { name, state } = circuit
    this.#bus.signals.report('buslane.circuit.changed', 1, { circuit: name, state: state.is })
    if (state.is === 'open') this.#emit(CircuitOpened({ circuit: name, openForMs: state.probesInMs }))
    else if (state.is === 'half-open') this.#emit(CircuitHalfOpened({ circuit: name }))
    else this.#emit(CircuitClosed({ circuit: name }))
  }

  // -- failures ---------------------------------------------------------------------------------------------------

  #decide(failure: Failure): Decision {
    const { message, registration, attempts, isStored, isQuiet } = failure
    const error = this.#redacted(failure)
    if (isQuiet) return { action: 'fail', error }
    const { policy } = this.#guardOf({
      kind: message.kind,
      type: message.type,
      definition: failure.definition,
      registration,
    }).record
    const history = this.#remember(failure, error)
    const facts: FailureFacts = {
      kind: message.kind,
      type: message.type,
      handler: failure.handler,
      sessionId: message.sessionId,
      error: failure.error,
      attempts,
      elapsedMs: this.clock.monotonic() - history.firstFailedAt,
      isStored,
      intakePausedMs: isStored ? this.#intake?.pausedMs(message.type) : undefined,
      retry: policy.retry,
      random: this.#random(),
    }
    return this.#act(this.#recovery(facts), failure, error, history)
  }

  #recovery(facts: FailureFacts): Recovery {
    const byDefault = recover(facts)
    try {
      return this.#options.recover?.(facts, byDefault) ?? byDefault
    } catch (error) {
      this.#bus.logger.error({ error }, 'The recover option threw, so the default holds')
      return byDefault
    }
  }

  #act(recovery: Recovery, failure: Failure, error: unknown, history: History): Decision {
    const { isStored, message, context } = failure
    const isRefusal = codeOf(failure.error) === 'INTAKE_PAUSED' || codeOf(failure.error) === 'ATTEMPTS_EXHAUSTED'
    switch (recovery.action) {
      case 'retryNow':
        return { action: 'retry', delayMs: 0, isRefusal, error }
      case 'retryAt':
        return { action: 'retry', delayMs: recovery.delayMs, isRefusal, error }
      case 'discard':
        return { action: 'discard', error }
      case 'pauseIntake': {
        // It ran, but the attempt is not used up.
        if (!isRefusal) (context as RunContext).attempts = Math.max(0, failure.attempts - 1)
        return { action: 'retry', delayMs: recovery.delayMs, isRefusal: true, error }
      }
      case 'deadLetter': {
        const { reason } = recovery
        if (!isStored) this.#bury(failure, history, reason)
        this.#bus.signals.report('buslane.dead_lettered', 1, { type: message.type, reason })
        return { action: 'fail', reason, error }
      }
    }
  }

  #remember({ context, isStored }: Failure, error: unknown): History {
    let history = this.#histories.get(context)
    if (!history) {
      history = { firstFailedAt: this.clock.monotonic(), errors: [] }
      this.#histories.set(context, history)
    }
    if (!isStored) {
      history.errors.push(storedError(error, this.clock.now()))
      if (history.errors.length > MAX_ERRORS) history.errors.shift()
    }
    return history
  }

  #redacted({ error, message }: Failure): unknown {
    const { error: redact } = this.#options.redact ?? {}
    if (!redact) return error
    try {
      return redact(error, { type: message.type })
    } catch {
      return new Error('An error that could not be redacted')
    }
  }

  // -- dead letters -----------------------------------------------------------------------------------------------

  #bury({ input, registration, handler, attempts }: Failure, { errors }: History, reason: string): void {
    const replayed = this.#replaying.get(input.id)
    if (replayed) replayed.isDead = true
    this.#write({
      message: input,
      handler,
      identity: identityOf(registration),
      handlerKey: registration,
      reason,
      attempts,
      ...historyOf(replayed?.boxed, errors),
    })
  }

  #write(dead: DeadMessage): void {
    this.#writer.write(dead)
    const { message, handler, reason, attempts, errors } = dead
    this.#announce(message, { handler, reason, attempts, error: errors.at(-1) })
  }

  /** The store has moved it. */
  #buried({ message, reason, progress, error }: Burial): void {
    const failed = Object.entries(progress).find(([, { status }]) => status === 'failed')
    const [handler, { attempts = 0, errors = [] } = {}] = failed ?? [undefined]
    this.#announce(message, { handler, reason, attempts, error: errors.at(-1) ?? error })
  }

  #announce(
    { id: messageId, type: messageType, sessionId, kind, correlationId }: DeadMessage['message'],
    about: {
      readonly handler: string | undefined
      readonly reason: string
      readonly attempts: number
      readonly error: StoredError | undefined
    },
  ): void {
    const { name = '', message = '' } = about.error ?? {}
    const payload = { messageId, messageType, sessionId, ...about, error: about.error && { name, message } }
    const Event = kind === 'event' ? EventDeadLettered : CommandDeadLettered
    this.#emit(Event(payload, { sessionId, correlationId, causationId: messageId }))
  }

  #lease(boxed: BoxedLetter): ReplayLease {
    const lease = new ReplayLease(boxed, {
      now: () => this.clock.now(),
      done: (ended) => void this.#leases.delete(ended),
      putBack: (ended) => this.#putBack(ended),
      failed: (ended, { name, attempts, ...outcome }) => {
        this.#leases.delete(ended)
        const reason = ('reason' in outcome && outcome.reason) || 'failed'
        if (reason === 'discarded') return
        const { message, identity, handlerKey } = ended.boxed
        const history = historyOf(ended.boxed, ended.errors)
        this.#write({ message, handler: name, identity, handlerKey, reason, attempts, ...history })
      },
    })
    this.#leases.add(lease)
    return lease
  }

  #putBack(lease: ReplayLease): void {
    if (this.#leases.delete(lease)) this.#box.add(lease.boxed)
  }

  #executing(boxed: BoxedLetter): { ended(isDone: boolean): void } {
    const { id } = boxed.message
    const replaying: Replaying = { boxed, isDead: false }
    this.#replaying.set(id, replaying)
    return {
      ended: (isDone) => {
        this.#replaying.delete(id)
        // It failed for another reason than its handler: it is as dead as before.
        if (!isDone && !replaying.isDead) this.#box.add(boxed)
      },
    }
  }

  // -- the bus ----------------------------------------------------------------------------------------------------

  #emit(event: EventMessage): void {
    if (!this.#isStopped) this.#bus.publishSystem(event)
  }

  #warnings(): readonly HealthWarning[] {
    const warnings: HealthWarning[] = []
    for (const type of this.#intake?.paused ?? []) {
      warnings.push({
        code: 'INTAKE_PAUSED',
        message: `Too many handlers of '${type}' fail: it is not claimed for now`,
      })
    }
    for (const { name, state } of this.circuits()) {
      if (state.is === 'open') warnings.push({ code: 'CIRCUIT_OPEN', message: `The circuit '${name}' is open` })
    }
    if (this.#writer.unsaved > 0) {
      const message = `${this.#writer.unsaved} dead letters are in memory because the store did not take them`
      warnings.push({ code: 'DEAD_LETTERS_UNSAVED', message })
    }
    if (this.#box.dropped > 0) {
      const message = `${this.#box.dropped} dead letters in memory were dropped to make room`
      warnings.push({ code: 'DEAD_LETTERS_DROPPED', message })
    }
    return warnings
  }

  async #stop(): Promise<void> {
    this.#isStopped = true
    this.deadlines.close()
    this.#intake?.stop()
    for (const lease of this.#leases) this.#putBack(lease)
    await this.#writer.settled()
    this.#writer.stop()
    if (this.#box.size > 0) {
      this.#bus.logger.warn({}, `${this.#box.size} dead letters are in memory and end with this process`)
    }
  }
}

/** What a handler is called in a store, as core calls it. */
const identityOf = ({ options, type, sessionId }: HandlerRegistration): string | undefined => {
  if (options?.name === undefined) return type?.includes('*') ? type : undefined
  return sessionId === undefined || sessionId === BUS ? options.name : `session:${options.name}`
}

/** What a letter keeps of its former life. */
const historyOf = (
  boxed: BoxedLetter | undefined,
  errors: readonly StoredError[],
): Pick<DeadMessage, 'errors' | 'replays' | 'edited'> => {
  if (!boxed) return { errors, replays: 0, edited: undefined }
  const { attempts, replays, edited } = boxed.letter
  const before = attempts.map(({ error }) => error)
  return { errors: [...before, ...errors].slice(-MAX_ERRORS), replays: replays + 1, edited }
}

const codeOf = (error: unknown): unknown => {
  try {
    return (error as { readonly code?: unknown } | null | undefined)?.code
  } catch {
    return undefined
  }
}

const processName = (): string => {
  const { process } = globalThis as { readonly process?: { readonly pid?: number } }
  return process?.pid === undefined ? 'unknown' : `process ${process.pid}`
}
