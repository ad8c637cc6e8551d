import {
  BusError,
  type Clock,
  type EventMessage,
  type HandlerContext,
  type HealthWarning,
  type Message,
  type PluginHost,
  type PluginOptions,
  type RunContext,
  type WrappedHandler,
} from '@buslane/core'
import { storedError } from '@buslane/core/store-runner'
import { Burials } from './burials.ts'
import { checkOptions, oneOf } from './check-options.ts'
import { checkCircuits, type Circuit, type CircuitSnapshot } from './circuit.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deadlines } from './deadlines.ts'
import {
  CircuitClosed,
  CircuitHalfOpened,
  CircuitOpened,
  DeadLetterMoved,
  HandlerRanAway,
  IntakePaused,
  IntakeResumed,
} from './events.ts'
import type { GuardHost } from './handler-guard.ts'
import { HandlerRecords } from './handler-records.ts'
import type { LastFailure, Tally } from './handler-stats.ts'
import { IntakePause } from './intake-pause.ts'
import { LetterBox } from './letter-box.ts'
import { LetterWriter } from './letter-writer.ts'
import type { ResilienceOptions } from './options.ts'
import { ADDED, checkPolicies } from './policies.ts'
import { Recoveries } from './recoveries.ts'
import { Redactor } from './redactor.ts'
import type { GuardedHandler, NamedStats, Resilience } from './resilience.ts'
import { Sequences } from './sequences.ts'
import { SessionTallies } from './session-tallies.ts'

/** The parts of the plugin, put together for the bus it is installed on. */
export class Guard implements Resilience, GuardHost {
  readonly name = 'resilience'
  readonly options: PluginOptions = ADDED
  readonly graceMs: number
  deadlines!: Deadlines
  clock!: Clock
  readonly #options: ResilienceOptions
  readonly #box: LetterBox
  #bus!: PluginHost
  #writer!: LetterWriter
  #burials!: Burials
  #recoveries!: Recoveries
  #letters: DeadLetters | undefined
  #intake: IntakePause | undefined
  #sequences: Sequences | undefined
  #isStopped = false
  readonly #records: HandlerRecords
  readonly #sessions: SessionTallies

  constructor(options: ResilienceOptions) {
    this.#options = options
    this.graceMs = options.graceMs ?? 1000
    this.#box = new LetterBox(options.lettersInMemory ?? 1000)
    this.#sessions = new SessionTallies(options.sessionStats ?? 0)
    this.#records = new HandlerRecords({ policies: options, guards: this, changed: (circuit) => this.#tellOf(circuit) })
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
      redactor: new Redactor({ clock, logger, redact }),
      box: this.#box,
      node: this.#options.node ?? processName(),
      isStorable: (type) => this.#records.isStorable(type),
      report: (what) => signals.report(`buslane.dead_letters.${what}`, 1),
    })
    const burials = new Burials({
      clock,
      box: this.#box,
      writer: this.#writer,
      emit: (event) => this.#emit(event),
      count: (type, reason) => signals.report('buslane.dead_lettered', 1, { type, reason }),
    })
    this.#burials = burials
    this.#letters = new DeadLetters({
      persistence,
      bus,
      box: this.#box,
      writer: this.#writer,
      lease: (boxed) => burials.lease(boxed),
      executing: (boxed) => burials.executing(boxed),
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
      around: (handler, run) => this.#records.guardOf(handler).around(run),
    })
    const recoveries = new Recoveries({
      clock,
      logger,
      burials,
      options: this.#options,
      intake: this.#intake,
      policyOf: (handler) => this.#records.guardOf(handler).record.policy,
    })
    this.#recoveries = recoveries
    bus.onFailure((failure) => recoveries.decide(failure))
    bus.onBuried((burial) => burials.moved(burial))
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
    this.#requireInstalled()
    return this.#letters!
  }

  #requireInstalled(): void {
    if (this.#letters) return
    throw new BusError('INVALID_ARGUMENT', 'The guard is not installed: createBus({ plugins: [guard] })')
  }

  // -- what people see --------------------------------------------------------------------------------------------

  handlerStats(options: { readonly by?: 'handler' | 'type' | 'session' } = {}): readonly NamedStats[] {
    checkOptions('handlerStats', options, { by: oneOf('handler', 'type', 'session') })
    const { by = 'handler' } = options
    this.#requireInstalled()
    const now = this.clock.monotonic()
    if (by === 'session') return this.#sessions.stats(now)
    return by === 'type' ? this.#records.statsByType(now) : this.#records.statsByHandler(now)
  }

  circuits(): readonly CircuitSnapshot[] {
    return this.#records.circuits
  }

  restoreCircuits(circuits: readonly CircuitSnapshot[]): void {
    checkCircuits(circuits)
    this.#records.restore(circuits)
  }

  policies(): readonly GuardedHandler[] {
    return this.#records.policies
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

  ended(context: RunContext, error: BusError, isRefusal: boolean): void {
    this.#recoveries.ended(context, { error, isRefusal })
  }

  inSequence(message: Message, context: RunContext): Promise<void> | undefined {
    return context.attempts > 0 ? undefined : this.#sequences?.inOrder(message)
  }

  tallyOfSession(sessionId: string): Tally | undefined {
    return this.#sessions.of(sessionId)
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

  #tellOf(circuit: Circuit): void {
    const { name, state } = circuit
    this.#bus.signals.report('buslane.circuit.changed', 1, { circuit: name, state: state.is })
    if (state.is === 'open') this.#emit(CircuitOpened({ circuit: name, openForMs: Math.round(state.probesInMs) }))
    else if (state.is === 'half-open') this.#emit(CircuitHalfOpened({ circuit: name }))
    else this.#emit(CircuitClosed({ circuit: name }))
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
    this.#burials.stop()
    await this.#writer.settled()
    this.#writer.stop()
    if (this.#box.size > 0) {
      this.#bus.logger.warn({}, `${this.#box.size} dead letters are in memory and end with this process`)
    }
  }
}

const processName = (): string => {
  const { process } = globalThis as { readonly process?: { readonly pid?: number } }
  return process?.pid === undefined ? 'unknown' : `process ${process.pid}`
}
