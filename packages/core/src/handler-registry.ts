import type { CommandHandler, EventHandler } from './context.ts'
import { BusError } from './errors.ts'
import { BUS } from './message.ts'
import { compilePattern, isPattern } from './pattern.ts'
import { byPriority } from './priority.ts'
import type {
  CommandRegistration,
  EventHandlerEntry,
  EventRegistration,
  HandlerRegistry,
  HandlerRegistryChange,
  HandlerRegistryStats,
  ObservableHandlerRegistry,
  PatternHandlerRegistry,
  PriorityHandlerRegistry,
  RemovableHandlerRegistry,
} from './registry.ts'

/** The handlers of one session, or of the bus. */
interface Scope {
  readonly commands: Map<string, CommandRegistration>
  readonly events: Map<string, readonly EventRegistration[]>
}

/** A {@link HandlerRegistry} with every extension. */
export type FullHandlerRegistry = HandlerRegistry &
  PriorityHandlerRegistry &
  RemovableHandlerRegistry &
  PatternHandlerRegistry &
  ObservableHandlerRegistry

/** The registry that a bus makes for itself: base API and every extension, all in memory. */
export const createHandlerRegistry = (): FullHandlerRegistry => new DefaultHandlerRegistry()

class DefaultHandlerRegistry implements FullHandlerRegistry {
  readonly contract = 'handler-registry/1'
  readonly #scopes = new Map<string, Scope>()
  readonly #order = new WeakMap<object, number>()
  readonly #matchers = new Map<string, (type: string) => boolean>()
  readonly #listeners = new Set<(change: HandlerRegistryChange) => void>()
  #count = 0

  registerCommandHandler(registration: CommandRegistration): void {
    const { type, sessionId, name } = registration
    const { commands } = this.#scope(sessionId)
    const present = commands.get(type)
    if (present) {
      throw new BusError(
        'HANDLER_EXISTS',
        `Command '${type}' has a handler '${present.name}' in ${where(sessionId)}, so '${name}' cannot be another. ` +
          'Remove the first, or register the second in a session',
      )
    }
    commands.set(type, registration)
    this.#changed(sessionId)
  }

  registerEventHandler(registration: EventRegistration): void {
    const { type, sessionId } = registration
    const { events } = this.#scope(sessionId)
    this.#order.set(registration, this.#count++)
    if (isPattern(type) && !this.#matchers.has(type)) this.#matchers.set(type, compilePattern(type))
    events.set(type, [...(events.get(type) ?? []), registration])
    this.#changed(sessionId)
  }

  getCommandHandler(type: string, sessionId: string): CommandHandler | undefined {
    return (this.#scopes.get(sessionId)?.commands.get(type) ?? this.#scopes.get(BUS)?.commands.get(type))?.handler
  }

  getEventHandlers(type: string, sessionId: string): readonly EventHandler[] {
    return this.getEventHandlerEntries(type, sessionId).map(({ handler }) => handler)
  }

  getEventHandlerEntries(type: string, sessionId: string): readonly EventHandlerEntry[] {
    return this.#collect(sessionId, ({ events }) => events.get(type) ?? [])
  }

  getPatternEntries(type: string, sessionId: string): readonly EventHandlerEntry[] {
    if (this.#matchers.size === 0) return []
    return this.#collect(sessionId, ({ events }) =>
      [...events].flatMap(([pattern, registrations]) => (this.#matchers.get(pattern)?.(type) ? registrations : [])),
    )
  }

  unregister(registration: EventRegistration | CommandRegistration): void {
    const { type, sessionId } = registration
    const scope = this.#scopes.get(sessionId)
    if (!scope) return
    if (scope.commands.get(type) === registration) scope.commands.delete(type)
    const rest = scope.events.get(type)?.filter((other) => other !== registration) ?? []
    if (rest.length > 0) scope.events.set(type, rest)
    else scope.events.delete(type)
    if (scope.events.size + scope.commands.size === 0) this.#scopes.delete(sessionId)
    if (isPattern(type) && ![...this.#scopes.values()].some(({ events }) => events.has(type)))
      this.#matchers.delete(type)
    this.#changed(sessionId)
  }

  unregisterSession(sessionId: string): void {
    if (this.#scopes.delete(sessionId)) this.#changed(sessionId)
  }

  getHandlerStats(): HandlerRegistryStats {
    const stats = { commandHandlers: 0, eventHandlers: 0, patternHandlers: 0 }
    for (const { commands, events } of this.#scopes.values()) {
      stats.commandHandlers += commands.size
      for (const [type, { length }] of events) stats[isPattern(type) ? 'patternHandlers' : 'eventHandlers'] += length
    }
    return stats
  }

  onChange(listener: (change: HandlerRegistryChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  #scope(sessionId: string): Scope {
    let scope = this.#scopes.get(sessionId)
    if (!scope) this.#scopes.set(sessionId, (scope = { commands: new Map(), events: new Map() }))
    return scope
  }

  #collect(sessionId: string, read: (scope: Scope) => readonly EventRegistration[]): readonly EventRegistration[] {
    const scopes = sessionId === BUS ? [BUS] : [BUS, sessionId]
    return scopes
      .flatMap((id) => {
        const scope = this.#scopes.get(id)
        return scope ? read(scope) : []
      })
      .sort((a, b) => byPriority(a, b) || this.#order.get(a)! - this.#order.get(b)!)
  }

  #changed(sessionId: string): void {
    for (const listener of this.#listeners) listener({ sessionId })
  }
}

const where = (sessionId: string): string => (sessionId === BUS ? 'the bus' : `session '${sessionId}'`)
