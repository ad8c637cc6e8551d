import type {
  CommandDefinition,
  CommandMessage,
  CommandResult,
  DeadLetter,
  EventDefinition,
  EventMessage,
  Message,
  Observer,
  Persistence,
} from '@buslane/core'
import { Timeline } from './timeline.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A handler of an event, or a command, that failed for good. */
export interface RecordedFailure {
  readonly message: Message
  /** The handler's name; of a command its type. */
  readonly handler: string
  readonly error: unknown
  readonly attempts: number
}

/** A command that was executed, and what came of it. */
export interface RecordedExecution<Input, Result> {
  readonly command: CommandMessage<Input, Result>
  readonly result: CommandResult<Result>
}

/** What has happened on a {@link TestBus}. Lists are in the order in which it happened, and are copies. */
export interface Recorded {
  /** The events of the type that were accepted: published, or scheduled. */
  published<Input>(definition: EventDefinition<Input, unknown>): readonly EventMessage<Input>[]
  /** The events of the type that some handler has handled and none failed for, here. */
  handled<Input, Output>(definition: EventDefinition<Input, Output>): readonly EventMessage<Output>[]
  /** The commands of the type that were executed and have a result. */
  executed<Input, Result>(
    definition: CommandDefinition<Input, Result, unknown>,
  ): readonly RecordedExecution<Input, Result>[]
  /** Every final failure, of events and commands. */
  failed(): readonly RecordedFailure[]
  /** What is in the dead letters now, oldest first. Empty without a store. */
  deadLettered(): Promise<readonly DeadLetter[]>
  /**
   * The next event of the type that is accepted and passes, also one that was before the call. Each event is given once.
   * `timeoutMs`: how long to wait in real time; default 1,000.
   *
   * @throws {Error} when it does not come in time; the message has the timeline.
   */
  next<Input>(
    definition: EventDefinition<Input, unknown>,
    predicate?: (event: EventMessage<Input>) => boolean,
    options?: { readonly timeoutMs?: number },
  ): Promise<EventMessage<Input>>
  /** A line for each thing that happened: when, message, group, handler, from when to when, outcome, and what caused it. */
  timeline(): string
}

interface Waiter {
  readonly type: string
  readonly passes: (event: EventMessage) => boolean
  readonly found: (event: EventMessage) => void
}

const PAGE = 1000
const PATIENCE_MS = 1000

// Taken when loaded: fake timers of a test runner replace the globals.
const { setTimeout, clearTimeout } = globalThis

/** Writes down what a bus tells its observers. */
export class Recorder implements Recorded {
  readonly observer: Observer
  readonly #persistence: Persistence | undefined
  readonly #timeline: Timeline
  readonly #published: EventMessage[] = []
  readonly #settled = new Map<EventMessage, { fulfilled: number; failed: number }>()
  readonly #handled: EventMessage[] = []
  readonly #executed: RecordedExecution<unknown, unknown>[] = []
  readonly #failed: RecordedFailure[] = []
  readonly #given = new Set<EventMessage>()
  readonly #waiters = new Set<Waiter>()

  constructor(clock: VirtualClock, persistence: Persistence | undefined) {
    this.#persistence = persistence
    this.#timeline = new Timeline(clock)
    this.observer = this.#observer()
  }

  published<Input>({ type }: EventDefinition<Input, unknown>): readonly EventMessage<Input>[] {
    return this.#published.filter((event) => event.type === type) as EventMessage<Input>[]
  }

  handled<Input, Output>({ type }: EventDefinition<Input, Output>): readonly EventMessage<Output>[] {
    return this.#handled.filter((event) => event.type === type) as EventMessage<Output>[]
  }

  executed<Input, Result>({
    type,
  }: CommandDefinition<Input, Result, unknown>): readonly RecordedExecution<Input, Result>[] {
    return this.#executed.filter(({ command }) => command.type === type) as RecordedExecution<Input, Result>[]
  }

  failed(): readonly RecordedFailure[] {
    return [...this.#failed]
  }

  async deadLettered(): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = []
    let cursor: string | undefined
    do {
      const page = await this.#persistence?.deadLetters?.list({ limit: PAGE, cursor })
      letters.push(...(page?.entries ?? []))
      cursor = page?.next
    } while (cursor !== undefined)
    return letters
  }

  next<Input>(
    { type }: EventDefinition<Input, unknown>,
    predicate: (event: EventMessage<Input>) => boolean = () => true,
    { timeoutMs = PATIENCE_MS }: { readonly timeoutMs?: number } = {},
  ): Promise<EventMessage<Input>> {
    const passes = predicate as (event: EventMessage) => boolean
    const { promise, resolve, reject } = Promise.withResolvers<EventMessage>()
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter)
      reject(new Error(`No '${type}' came within ${timeoutMs} ms. What happened:\n${this.timeline()}`))
    }, timeoutMs)
    const found = (event: EventMessage): void => {
      clearTimeout(timer)
      this.#waiters.delete(waiter)
      this.#given.add(event)
      resolve(event)
    }
    const waiter: Waiter = { type, passes, found }
    const before = this.#published.find((event) => event.type === type && !this.#given.has(event) && passes(event))
    if (before) found(before)
    else this.#waiters.add(waiter)
    return promise as Promise<EventMessage<Input>>
  }

  timeline(): string {
    return this.#timeline.text()
  }

  #observer(): Observer {
    const timeline = this.#timeline
    return {
      eventAccepted: (event, { dueAt }) => {
        timeline.accepted(event, dueAt)
        this.#accepted(event)
      },
      eventRefused: (event, { reason }) => timeline.refused(event, reason),
      handlerStarted: (event, handler) => timeline.started(event, handler),
      attemptFailed: (event, handler, { error, retryInMs }) => timeline.attemptFailed(event, handler, error, retryInMs),
      handlerSettled: (event, outcome) => {
        const counts = this.#settled.get(event) ?? { fulfilled: 0, failed: 0 }
        this.#settled.set(event, counts)
        if (outcome.status === 'fulfilled') counts.fulfilled += 1
        else if ('error' in outcome) {
          counts.failed += 1
          const { name: handler, error, attempts } = outcome
          this.#failed.push({ message: event, handler, error, attempts })
        }
        timeline.settled(event, outcome)
      },
      eventSettled: (event) => {
        const { fulfilled = 0, failed = 0 } = this.#settled.get(event) ?? {}
        this.#settled.delete(event)
        if (fulfilled > 0 && failed === 0) this.#handled.push(event)
      },
      commandStarted: (command) => timeline.commandStarted(command),
      commandSettled: (command, result) => {
        this.#executed.push({ command, result })
        const { type: handler } = command
        if (!result.success) {
          const { error, attempts } = result
          this.#failed.push({ message: command, handler, error, attempts })
        }
        timeline.commandSettled(command, result)
      },
    }
  }

  #accepted(event: EventMessage): void {
    this.#published.push(event)
    for (const waiter of this.#waiters) {
      if (waiter.type !== event.type || !waiter.passes(event)) continue
      waiter.found(event)
      return
    }
  }
}
