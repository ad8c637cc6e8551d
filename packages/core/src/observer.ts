import type { EventMessage, CommandMessage } from './message.ts'
import type { CommandResult } from './command-result.ts'
import { checkHooks } from './check.ts'
import { describe } from './errors.ts'
import type { HandlerOutcome } from './outcome.ts'
import type { Logger } from './logger.ts'
import { isThenable, noop } from './thenable.ts'

/** Which handler, and which run of it. */
export interface HandlerFacts {
  readonly name: string
  readonly priority: number
  readonly attempt: number
}

/**
 * Is told what happens on the bus, as it happens. Every method is optional. Observers cost nothing when there are none,
 * and can neither change nor fail anything: an error is counted in `stats()` and logged once.
 *
 * They are called synchronously from the dispatch: note and leave.
 */
export interface Observer {
  /** An event was accepted; `dueAt` (epoch ms) if it was scheduled, `durability` if it was stored. */
  eventAccepted?(
    event: EventMessage,
    facts: { readonly priority: number; readonly dueAt?: number; readonly durability?: 'stored' },
  ): void
  /** An event was not accepted, or was dropped later. */
  eventRefused?(
    event: EventMessage,
    facts: { readonly reason: 'filtered' | 'dropped' | 'rejected'; readonly error?: unknown },
  ): void
  /** The first group is about to start; `waitedMs` since acceptance; `stored`: a store keeps it. */
  eventStarted?(
    event: EventMessage,
    facts: { readonly handlers: number; readonly waitedMs: number; readonly nested: boolean; readonly stored: boolean },
  ): void
  handlerStarted?(event: EventMessage, handler: HandlerFacts): void
  /** One run of a handler failed; it may be tried again. `retryInMs` says when. */
  attemptFailed?(
    event: EventMessage,
    handler: HandlerFacts,
    facts: { readonly error: unknown; readonly retryInMs?: number },
  ): void
  handlerSettled?(event: EventMessage, outcome: HandlerOutcome): void
  /** Every handler has settled. */
  eventSettled?(event: EventMessage): void
  commandStarted?(command: CommandMessage): void
  commandAttemptFailed?(
    command: CommandMessage,
    facts: { readonly attempt: number; readonly error: unknown; readonly retryInMs?: number },
  ): void
  commandSettled?(command: CommandMessage, result: CommandResult<unknown>, facts: { readonly durationMs: number }): void
  sessionStarted?(sessionId: string): void
  sessionEnded?(sessionId: string): void
  backpressureChanged?(level: 'high' | 'normal', waiting: number): void
}

type Notice = keyof Observer

const NOTICES = Object.keys({
  eventAccepted: 0,
  eventRefused: 0,
  eventStarted: 0,
  handlerStarted: 0,
  attemptFailed: 0,
  handlerSettled: 0,
  eventSettled: 0,
  commandStarted: 0,
  commandAttemptFailed: 0,
  commandSettled: 0,
  sessionStarted: 0,
  sessionEnded: 0,
  backpressureChanged: 0,
} satisfies Record<Notice, 0>)

/** The observers of one bus. */
export class Observers {
  errors = 0
  any = false
  #observers: readonly { readonly observer: Observer }[] = []
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(observer: Observer): Disposable {
    checkHooks('The observer', observer, NOTICES)
    const own = { observer }
    this.#set([...this.#observers, own])
    return { [Symbol.dispose]: () => this.#set(this.#observers.filter((other) => other !== own)) }
  }

  #set(observers: readonly { readonly observer: Observer }[]): void {
    this.#observers = observers
    this.any = observers.length > 0
  }

  /** Counts an error of an observer, and logs the first. */
  failed(error: unknown): void {
    if (this.errors++ > 0) return
    this.#logger.error({ error }, `An observer failed: ${describe(error)}. Its further errors are only counted`)
  }

  tell<N extends Notice>(notice: N, ...facts: Parameters<NonNullable<Observer[N]>>): void {
    for (const { observer } of this.#observers) {
      try {
        const told: unknown = (observer[notice] as ((...facts: unknown[]) => unknown) | undefined)?.apply(
          observer,
          facts,
        )
        if (isThenable(told)) told.then(noop, (error) => this.failed(error))
      } catch (error) {
        this.failed(error)
      }
    }
  }
}
