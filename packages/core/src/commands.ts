import type { AsyncContext } from './async-context.ts'
import { type AddedOptions, checkOptions, DURATION, type Kinds, SIGNAL } from './check.ts'
import type { Clock } from './clock.ts'
import type { CommandResult } from './command-result.ts'
import type { CommandContext } from './context.ts'
import { decode, type Definitions } from './definitions.ts'
import { aborted, asBusError, BusError, describe, isBusError, NestedWaitError } from './errors.ts'
import type { Verdict } from './failure.ts'
import { HandlerCall, type Verbs } from './handler-call.ts'
import type { AnyDefinition, CommandMessage } from './message.ts'
import type { ExecuteOptions } from './options.ts'
import { createLimit, type Limit } from './limit.ts'
import { carryOn } from './publishing.ts'
import type { CommandEntry, Routing } from './routing.ts'
import { parse } from './schema.ts'
import type { SessionState } from './session.ts'
import { isThenable, settled } from './thenable.ts'
import type { Timer } from './timers.ts'

/**
 * Is asked about each command that is executed, before its handler is called and outside of everything that is around it. `undefined`:
 * it goes on. Else the handler is not called: what the promise resolves with is the command's value, what it rejects with its error.
 * Stored commands are not asked about.
 */
export type CommandScreen = (command: CommandMessage, execution: CommandExecution) => Promise<unknown> | undefined

/** A command that is about to be handled. */
export interface CommandExecution {
  readonly definition: AnyDefinition
  /** The command as it was given, before it was upcast and parsed. */
  readonly input: CommandMessage
  /** What was given to `execute`. */
  readonly options: ExecuteOptions
  /** Its signal is raised when the call is over. What is written to `attempts` is in the result. */
  readonly context: CommandContext & { attempts: number }
}

/** What executing needs of the bus around it. */
export interface CommandsHost {
  readonly verbs: Verbs
  readonly definitions: Definitions
  readonly routing: Routing
  readonly asyncContext: AsyncContext
  after(delayMs: number, callback: () => void): Timer
  cancel(timer: Timer | undefined): void
  readonly clock: Clock
  /** Whether somebody wants to know of every command. */
  readonly commandsObserved: boolean
  session(id: string): SessionState | undefined
  requireOpen(sessionId: string, call: HandlerCall | undefined): void
  commandStarted(command: CommandMessage): void
  /** A call was aborted: what it waits for ends too. */
  callAborted(call: HandlerCall, error: BusError): void
  readonly maxNestedWaits: number
  commandSettled(call: HandlerCall, result: CommandResult<unknown>, durationMs: number): void
  readonly called: () => void
  readonly added: AddedOptions
  /** Asked about each command before its handler is called. */
  readonly screen: CommandScreen | undefined
  /** Reports a failed attempt; answers what becomes of it. */
  attemptFailed(call: HandlerCall, error: unknown): Verdict
  checkQuiet(): void
}

const EXECUTE: Kinds = { timeoutMs: DURATION, ...SIGNAL }

type Failed = CommandResult<never> & { readonly success: false }

/** Executes commands: each calls its handler at once, and ends with a result, whatever happens. */
export class Commands {
  readonly running: Set<HandlerCall> = new Set()
  readonly counts: { succeeded: number; failed: number } = { succeeded: 0, failed: 0 }
  readonly #host: CommandsHost

  constructor(host: CommandsHost) {
    this.#host = host
  }

  execute<Result>(
    command: CommandMessage<unknown, Result>,
    options?: ExecuteOptions,
    caller?: HandlerCall,
  ): Promise<CommandResult<Result>> {
    this.#host.called()
    return new Promise((resolve) => {
      new Execution(this.#host, this, resolve as (result: CommandResult<unknown>) => void).start(
        command,
        options,
        caller,
      )
    })
  }
}

/** One command on its way to its result. */
class Execution {
  readonly #host: CommandsHost
  readonly #commands: Commands
  readonly #resolve: (result: CommandResult<unknown>) => void
  #call: HandlerCall | undefined
  #entry: CommandEntry | undefined
  #definition: AnyDefinition | undefined
  #session: SessionState | undefined
  #commandId = ''
  #startedAt = 0
  #settled = false
  #limit: Limit | undefined
  #options: ExecuteOptions | undefined

  constructor(host: CommandsHost, commands: Commands, resolve: (result: CommandResult<unknown>) => void) {
    this.#host = host
    this.#commands = commands
    this.#resolve = resolve
  }

  start(given: CommandMessage, options: ExecuteOptions | undefined, caller: HandlerCall | undefined): void {
    const host = this.#host
    let command = given
    try {
      this.#commandId = String(given?.id ?? '')
      const definition = (this.#definition = host.definitions.of(given, 'command'))
      const from = caller?.live ? caller : host.asyncContext.current()
      if (caller) command = carryOn(given, caller.message)
      const call = (this.#call = new HandlerCall(host.verbs, command, from?.delivery, undefined))
      const depth = from && from.step === undefined ? (from.more?.depth ?? 0) + 1 : 0
      call.more = { startedAt: 0, overflow: 0, depth, caller: from, end: (error) => this.#fail(error) }
      this.#commands.running.add(call)
      this.#session = host.session(command.sessionId)
      if (this.#session) this.#session.active++
      if (host.commandsObserved) this.#startedAt = host.clock.monotonic()
      if (depth > host.maxNestedWaits) throw new NestedWaitError(host.maxNestedWaits, typesAbove(call))
      host.requireOpen(command.sessionId, caller)
      this.#entry = host.routing.command(command.type, command.sessionId)
      if (!this.#entry) {
        throw new BusError('NO_HANDLER', `Command '${command.type}' has no handler. Register one with bus.handle()`)
      }
      if (options !== undefined) this.#watch((this.#options = options))
      if (this.#settled) return
      const plain = definition.schema === undefined && command.version === definition.version
      call.more.registration = this.#entry.registration
      const decoded = plain ? command : decode(command, definition)
      if (isThenable(decoded))
        decoded.then(
          (read) => this.#run(read),
          (error) => this.#refuse(error),
        )
      else this.#run(decoded)
    } catch (error) {
      this.#refuse(error)
    }
  }

  #run(command: CommandMessage): void {
    const call = this.#call!
    if (this.#settled) return
    if (command !== call.message) {
      call.details().input = call.message
      call.message = command
    }
    const { screen } = this.#host
    const screened = screen && this.#screened(screen, command)
    if (screened) screened.then(this.#check, (error) => this.#refuse(error))
    else this.#begin(command)
  }

  #screened(screen: CommandScreen, command: CommandMessage): Promise<unknown> | undefined {
    const call = this.#call!
    const input = (call.more!.input ?? command) as CommandMessage
    try {
      return screen(command, { context: call, input, definition: this.#definition!, options: this.#options ?? {} })
    } catch (error) {
      // oxlint-disable-next-line prefer-promise-reject-errors -- whatever the screen threw
      return Promise.reject(error)
    }
  }

  #begin(command: CommandMessage): void {
    if (this.#host.commandsObserved) this.#host.commandStarted(command)
    this.#attempt()
  }

  #attempt(): void {
    const call = this.#call!
    const entry = this.#entry!
    if (this.#settled) return
    if (!entry.counts) call.attempts++
    try {
      const value = this.#host.asyncContext.runInside(call, entry.run, call.message)
      if (isThenable(value)) void settled(value, this.#check, this.#failAttempt)
      else this.#check(value)
    } catch (error) {
      this.#failAttempt(error)
    }
  }

  readonly #check = (value: unknown): void => {
    const schema = this.#definition?.resultSchema
    if (!schema || this.#settled) return this.#succeed(value)
    try {
      const what = (): string => `The result of '${this.#call!.message.type}'`
      const checked = parse(schema, value, 'INVALID_RESULT', what)
      if (isThenable(checked))
        checked.then(
          (read) => this.#succeed(read),
          (error) => this.#refuse(error),
        )
      else this.#succeed(checked)
    } catch (error) {
      this.#refuse(error)
    }
  }

  readonly #failAttempt = (thrown: unknown): void => {
    if (this.#settled) return
    const call = this.#call!
    const { error, retryInMs, asIs } = this.#host.attemptFailed(call, thrown)
    if (this.#settled) return
    if (retryInMs !== undefined) {
      call.details().retry = this.#host.after(retryInMs, () => {
        call.renew()
        this.#attempt()
      })
      return
    }
    if (asIs && isBusError(error)) return this.#fail(error)
    const what = `Handler '${this.#entry!.name}' of command '${call.message.type}' failed: ${describe(error)}`
    this.#fail(new BusError('HANDLER_FAILED', what, { cause: error }))
  }

  #watch(options: ExecuteOptions): void {
    const what = `Command '${this.#call!.message.type}'`
    checkOptions('execute', options, EXECUTE, this.#host.added)
    if (options.signal?.aborted) throw aborted(what, options.signal.reason)
    this.#limit = createLimit(this.#host, what, options)
    if (this.#limit) this.#limit.onEnd = (_status, error) => this.#fail(error)
  }

  #refuse(error: unknown): void {
    this.#fail(asBusError(error, 'HANDLER_FAILED', 'The command could not be executed'))
  }

  #succeed(value: unknown): void {
    if (this.#settled) return
    this.#commands.counts.succeeded++
    this.#settle({ success: true, commandId: this.#commandId, value, attempts: this.#call!.attempts })
  }

  #fail(error: BusError): void {
    if (this.#settled) return
    this.#commands.counts.failed++
    const failed: Failed = { success: false, commandId: this.#commandId, error, attempts: this.#call?.attempts ?? 0 }
    this.#settle(failed)
    if (!this.#call) return
    this.#call.abort(error)
    this.#host.callAborted(this.#call, error)
  }

  #settle(result: CommandResult<unknown>): void {
    const call = this.#call
    const host = this.#host
    this.#settled = true
    this.#limit?.end()
    if (call) {
      call.ended = true
      host.cancel(call.more?.retry)
      this.#commands.running.delete(call)
      if (this.#session) this.#session.active--
    }
    this.#resolve(result)
    if (call && host.commandsObserved) host.commandSettled(call, result, host.clock.monotonic() - this.#startedAt)
    host.checkQuiet()
  }
}

const typesAbove = (call: HandlerCall): readonly string[] => [
  ...(call.caller ? typesAbove(call.caller) : []),
  call.message.type,
]
