import { BOOLEAN, checkOptions, type Kinds } from './check.ts'
import type { CommandResult } from './command-result.ts'
import type { CommandHandler, EventHandler } from './context.ts'
import type { Engine } from './engine.ts'
import { BusError } from './errors.ts'
import type { CommandDefinition, CommandMessage, EventDefinition, EventMessage, Message } from './message.ts'
import { BUS, copyMessage } from './message.ts'
import type {
  CommandHandlerOptions,
  ExecuteOptions,
  PublishAndWaitOptions,
  PublishOptions,
  PublishReceipt,
  ScheduleOptions,
} from './options.ts'
import type { EventOutcome } from './outcome.ts'
import { registerCommand, registerEvent } from './registering.ts'
import type { Registration } from './routing.ts'
import type { ScheduledEvent } from './scheduler.ts'
import { endSession } from './session-end.ts'
import type { EndSessionOptions, OnArguments, Session, SessionState } from './session.ts'
import { Watched } from './watched.ts'

const END: Kinds = { abort: BOOLEAN, schedules: ['cancel', 'detach'], error: 'anything' }

/** The face of a session: the bus's verbs, with the session filled in. */
export class BusSession implements Session {
  readonly #engine: Engine
  readonly #state: SessionState

  constructor(engine: Engine, state: SessionState) {
    this.#engine = engine
    this.#state = state
  }

  get id(): string {
    return this.#state.id
  }

  get signal(): AbortSignal {
    return this.#state.controller.signal
  }

  on<Input, Output, Durable extends boolean>(
    definition: EventDefinition<Input, Output, Durable>,
    handler: EventHandler<NoInfer<Output>>,
    ...options: OnArguments<Durable>
  ): Registration {
    this.#requireOpen()
    return registerEvent(this.#engine, definition, this.id, handler, options[0])
  }

  handle<Input, Result, Output>(
    definition: CommandDefinition<Input, Result, Output>,
    handler: CommandHandler<Output, NoInfer<Result>>,
    options?: CommandHandlerOptions,
  ): Registration {
    this.#requireOpen()
    return registerCommand(this.#engine, definition, this.id, handler, options)
  }

  publish(event: EventMessage, options?: PublishOptions): Promise<PublishReceipt> {
    return this.#with(event, (own) => this.#engine.publishing.publish(own, options))
  }

  publishAndWait(event: EventMessage, options?: PublishAndWaitOptions): Promise<EventOutcome> {
    return this.#with(event, (own) => this.#engine.publishing.publishAndWait(own, options))
  }

  schedule(event: EventMessage, options: ScheduleOptions): Promise<ScheduledEvent> {
    return this.#with(event, (own) => this.#engine.publishing.schedule(own, options))
  }

  execute<Result>(command: CommandMessage<unknown, Result>, options?: ExecuteOptions): Promise<CommandResult<Result>> {
    return this.#with(command, (own) => this.#engine.executing.execute(own, options)).catch((error) => ({
      success: false,
      commandId: String(command?.id ?? ''),
      error,
      attempts: 0,
    }))
  }

  async end(options: EndSessionOptions = {}): Promise<void> {
    checkOptions('end', options, END)
    return endSession(this.#engine, this.#state, options, this.#engine.asyncContext.current())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  #requireOpen(): void {
    const { status } = this.#state
    // Handlers that are still finishing may go on using the session.
    if (status === 'open' || (status === 'ending' && this.#engine.asyncContext.current())) return
    throw new BusError('SESSION_ENDED', `Session '${this.id}' has ended and cannot be used. Open it again`)
  }

  /** Does something with the message in this session, unless it names another. */
  #with<M extends Message, Result>(message: M, work: (own: M) => Promise<Result>): Promise<Result> {
    try {
      this.#requireOpen()
      return work(message?.sessionId === BUS ? copyMessage(message, { sessionId: this.id }) : message)
    } catch (error) {
      return Watched.refused(error, this.#engine.unheard)
    }
  }
}
