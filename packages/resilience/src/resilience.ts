import type { Plugin } from '@buslane/core'
import type { CircuitSnapshot } from './circuit.ts'
import type { DeadLetters } from './dead-letters.ts'
import { Guard } from './guard.ts'
import type { HandlerStats } from './handler-stats.ts'
import { checkResilience, type ResilienceOptions } from './options.ts'

/** What {@link Resilience.handlerStats} says of one handler, type or session. */
export interface NamedStats extends HandlerStats {
  /** `undefined` where figures of several are added up. */
  readonly handler: string | undefined
  readonly type: string | undefined
  readonly sessionId: string | undefined
}

/** How a handler is guarded. */
export interface GuardedHandler {
  readonly kind: 'event' | 'command'
  readonly type: string
  readonly handler: string
  /**
   * How often it may run for one message, retries included. A handler that executes a command which is retried itself multiplies both: see
   * the numbers here before you nest.
   */
  readonly maxAttempts: number
  readonly timeoutMs: number | undefined
  readonly circuit: string | undefined
}

/** The plugin, and what it lets people see and do. */
export interface Resilience extends Plugin {
  readonly deadLetters: DeadLetters
  /** Figures per handler (the default), per type, or, with `sessionStats`, per session. */
  handlerStats(options?: { readonly by?: 'handler' | 'type' | 'session' }): readonly NamedStats[]
  /** Every circuit there is. Plain JSON data: {@link Resilience.restoreCircuits} takes it up again. */
  circuits(): readonly CircuitSnapshot[]
  /** Takes up what was read before, also before the handlers are registered. Names that never come up are harmless. */
  restoreCircuits(circuits: readonly CircuitSnapshot[]): void
  /** How every handler that has had a message is guarded. */
  policies(): readonly GuardedHandler[]
}

/**
 * Retries what fails where that helps, parks it in the dead letters where it does not, and loses nothing. For one bus: give it to
 * `createBus({ plugins: [guard] })`.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the option's name.
 * @example
 * import { createBus, defineCommand } from '@buslane/core'
 *
 * const guard = resilience({ retry: { maxRetries: 2, initialDelayMs: 1 } })
 * const bus = createBus({ plugins: [guard] })
 * const Charge = defineCommand<{ cents: number }>('card.charge')
 * bus.handle(Charge, () => { throw new NonRetryableError('the card was reported stolen') })
 * await bus.execute(Charge({ cents: 100 }))
 * const { entries: [letter] } = await guard.deadLetters.list({ type: Charge })
 * letter?.reason // => 'not-retryable'
 */
export const resilience = (options: ResilienceOptions = {}): Resilience => {
  checkResilience(options)
  return new Guard(options)
}
