import type { CommandDefinition, CommandMessage, EventDefinition, EventMessage } from './message.ts'
import type { CommandResult } from './command-result.ts'
import type { CommandHandler, EventHandler } from './context.ts'
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
import type { Registration } from './routing.ts'
import type { Scheduled, ScheduledEvent } from './scheduler.ts'

/** How a session ends. */
export interface EndSessionOptions {
  /** Abort what runs and drop what waits, instead of letting it finish. Default `false`. */
  readonly abort?: boolean | undefined
  /** What becomes of the events it scheduled. Detached ones are handled by the handlers of the bus. Default `cancel`. */
  readonly schedules?: 'cancel' | 'detach' | undefined
  /** Why it ended; goes into `SessionEnded`. */
  readonly error?: unknown
}

/** What a definition asks of the options of its handlers: those of durable types have names and are not `once`. */
type HandlerOptionsFor<Durable extends boolean> = Durable extends true
  ? HandlerOptions & { readonly name: string; readonly once?: false | undefined }
  : HandlerOptions

/** The rest parameter of `on`: options may be left out unless the type is durable. */
export type OnArguments<Durable extends boolean> = [true] extends [Durable]
  ? [options: HandlerOptionsFor<true>]
  : [options?: HandlerOptions]

/**
 * A conversation of its own on the bus: it owns handlers, work in flight, and schedules, and its events have a lane of
 * their own. What is published or executed through it belongs to it.
 *
 * @throws {BusError} `SESSION_ENDED` from every method but `end` once it has ended (`execute` gives a failed result).
 */
export interface Session extends AsyncDisposable {
  readonly id: string
  /** Aborted when the session has ended. */
  readonly signal: AbortSignal
  on<Input, Output, Durable extends boolean>(
    definition: EventDefinition<Input, Output, Durable>,
    handler: EventHandler<NoInfer<Output>>,
    ...options: OnArguments<Durable>
  ): Registration
  /** Shadows a handler of the bus for this session. */
  handle<Input, Result, Output>(
    definition: CommandDefinition<Input, Result, Output>,
    handler: CommandHandler<Output, NoInfer<Result>>,
    options?: CommandHandlerOptions,
  ): Registration
  publish(event: EventMessage, options?: PublishOptions): Promise<PublishReceipt>
  publishAndWait(event: EventMessage, options?: PublishAndWaitOptions): Promise<EventOutcome>
  execute<Result>(command: CommandMessage<unknown, Result>, options?: ExecuteOptions): Promise<CommandResult<Result>>
  schedule(event: EventMessage, options: ScheduleOptions): Promise<ScheduledEvent>
  /**
   * Refuses further use, lets accepted events finish, removes the handlers, aborts `signal`, and publishes
   * `SessionEnded` last. Ending twice is harmless.
   */
  end(options?: EndSessionOptions): Promise<void>
}

/** The stored schedules of a session. Nobody tells it when one is due, so it forgets those whose time is long over. */
export class StoredSchedules {
  readonly #cancels = new Map<() => Promise<unknown>, number>()
  #limit = 64
  /** The session has ended, and cancels what was still on its way into the store. */
  isOver = false

  add(cancel: () => Promise<unknown>, dueAt: number, now: number): void {
    this.#cancels.set(cancel, dueAt)
    if (this.isOver) void this.cancel()
    if (this.#cancels.size < this.#limit) return
    for (const [known, due] of this.#cancels) if (due < now - 60_000) this.#cancels.delete(known)
    this.#limit = Math.max(64, this.#cancels.size * 2)
  }

  async cancel(): Promise<void> {
    const cancels = [...this.#cancels.keys()]
    this.#cancels.clear()
    await Promise.allSettled(cancels.map((cancel) => cancel()))
  }
}

/** What the bus keeps of a session. */
export class SessionState {
  readonly id: string
  status: 'open' | 'ending' | 'ended' = 'open'
  /** Its events that wait or run. */
  active = 0
  readonly schedules: Set<Scheduled> = new Set()
  /** Its schedules in a store, by how to cancel them; some may have been due meanwhile. */
  readonly storedSchedules: StoredSchedules = new StoredSchedules()
  readonly controller: AbortController = new AbortController()
  ending: Promise<void> | undefined = undefined

  constructor(id: string) {
    this.id = id
  }
}
