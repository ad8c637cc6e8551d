import { check, checkMethods } from './check.ts'
import type { CommandHandler, EventHandler } from './context.ts'
import { BusError, describe } from './errors.ts'
import type { CommandHandlerOptions, HandlerOptions } from './options.ts'

/** One event handler, as the bus hands it to the registry. The object is its identity. */
export interface EventRegistration {
  readonly type: string
  readonly sessionId: string
  readonly handler: EventHandler
  readonly name: string
  readonly priority: number
  readonly options: HandlerOptions
}

/** One command handler, as the bus hands it to the registry. The object is its identity. */
export interface CommandRegistration {
  readonly type: string
  readonly sessionId: string
  readonly handler: CommandHandler
  readonly name: string
  readonly priority: number
  readonly options: CommandHandlerOptions
}

/** What the dispatcher needs to know of an event handler. A registration is one. */
export interface EventHandlerEntry {
  readonly handler: EventHandler
  readonly priority: number
  readonly name: string
  readonly options?: HandlerOptions | undefined
}

/** What is known of a registered handler; a registry that lists handlers of its own may know less. */
export type HandlerRegistration = Omit<EventHandlerEntry, 'handler' | 'options'> & {
  /** The type, or pattern, that it was registered for. */
  readonly type?: string
  readonly sessionId?: string
  readonly options?: (HandlerOptions & CommandHandlerOptions) | undefined
}

/**
 * Keeps the handlers. This is all that a registry must have; with a registry that has no more, every handler runs at
 * `HandlerPriority.NORMAL`, and the bus keeps track of removed handlers and of patterns itself (R-REG-1).
 *
 * A handler of the scope {@link BUS} hears of every session; one of a session only of that session.
 */
export interface HandlerRegistry {
  readonly contract: 'handler-registry/1'
  /** @throws if the scope has a handler of that type. */
  registerCommandHandler(registration: CommandRegistration): void
  registerEventHandler(registration: EventRegistration): void
  /** The session's handler, else that of the bus. */
  getCommandHandler(type: string, sessionId: string): CommandHandler | undefined
  /** The handlers of the bus and of the session, in registration order. */
  getEventHandlers(type: string, sessionId: string): readonly EventHandler[]
  /** Removes every handler of the session. */
  unregisterSession(sessionId: string): void
}

/** A registry that knows priorities: found by its method. */
export interface PriorityHandlerRegistry {
  /**
   * The handlers of the bus and of the session by ascending priority, then in registration order. While nothing
   * changes, the same array may be given again; an array that was given is never changed.
   */
  getEventHandlerEntries(type: string, sessionId: string): readonly EventHandlerEntry[]
}

/** A registry that can forget one handler: found by its method. */
export interface RemovableHandlerRegistry {
  unregister(registration: EventRegistration | CommandRegistration): void
}

/** A registry that matches patterns itself: found by its method. Registrations whose `type` has a `*` are patterns. */
export interface PatternHandlerRegistry {
  /** The pattern handlers of the bus and of the session that match `type`, as {@link PriorityHandlerRegistry}. */
  getPatternEntries(type: string, sessionId: string): readonly EventHandlerEntry[]
}

/** How many handlers a registry keeps. */
export interface HandlerRegistryStats {
  readonly commandHandlers: number
  readonly eventHandlers: number
  readonly patternHandlers: number
}

/** What changed in a registry: the handlers of one session (or of the bus); `undefined` where that is not known. */
export type HandlerRegistryChange = { readonly sessionId: string } | undefined

/** A registry that tells of its changes: found by its methods. The bus then keeps what it read until told. */
export interface ObservableHandlerRegistry {
  getHandlerStats(): HandlerRegistryStats
  onChange(listener: (change: HandlerRegistryChange) => void): Disposable
}

type Methods<T> = Partial<Record<keyof T, unknown>>

const has = <T>(registry: object, ...methods: (keyof T)[]): boolean =>
  methods.every((method) => typeof (registry as Methods<T> | undefined)?.[method] === 'function')

/** Whether the registry knows priorities. */
export const isPriorityHandlerRegistry = (registry: object): registry is PriorityHandlerRegistry =>
  has<PriorityHandlerRegistry>(registry, 'getEventHandlerEntries')

/** Whether the registry can forget one handler. */
export const isRemovableHandlerRegistry = (registry: object): registry is RemovableHandlerRegistry =>
  has<RemovableHandlerRegistry>(registry, 'unregister')

/** Whether the registry matches patterns itself. */
export const isPatternHandlerRegistry = (registry: object): registry is PatternHandlerRegistry =>
  has<PatternHandlerRegistry>(registry, 'getPatternEntries')

/** Whether the registry tells of its changes. */
export const isObservableHandlerRegistry = (registry: object): registry is ObservableHandlerRegistry =>
  has<ObservableHandlerRegistry>(registry, 'getHandlerStats', 'onChange')

/** Refuses an adapter whose contract this core does not know, and names those it accepts (R-REG-4). */
export const requireContract = (
  what: string,
  adapter: object,
  accepted: string,
  methods: readonly string[] = [],
): void => {
  check(what, adapter, 'an object')
  const contract = (adapter as { contract?: unknown }).contract
  if (contract !== accepted) {
    throw new BusError(
      'UNSUPPORTED_CONTRACT',
      `The ${what} speaks contract '${describe(contract)}'; this version of @buslane/core accepts '${accepted}'. ` +
        'Install matching versions',
    )
  }
  checkMethods(what, adapter, methods)
}
