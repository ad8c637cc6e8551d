import {
  BUS,
  type CommandHandler,
  type CommandRegistration,
  type EventHandler,
  type EventHandlerEntry,
  type EventRegistration,
  type HandlerRegistry,
  isObservableHandlerRegistry,
  isPatternHandlerRegistry,
  isPriorityHandlerRegistry,
  isRemovableHandlerRegistry,
  type ObservableHandlerRegistry,
  type PatternHandlerRegistry,
  type PriorityHandlerRegistry,
  type RemovableHandlerRegistry,
} from '@buslane/core'
import { CheckFailedError } from '../expect.ts'
import type { RegistryExtension } from './harness.ts'

export const SESSION = 'chat'

interface Placing {
  readonly type?: string
  readonly sessionId?: string
  readonly priority?: number
  readonly handler?: EventHandler
}

/** The registry under check, with short words for what checks say often. Handlers are known by the names they were added with. */
export class RegistrySubject {
  readonly registry: HandlerRegistry
  readonly #names = new Map<EventHandler | CommandHandler, string>()

  constructor(registry: HandlerRegistry) {
    this.registry = registry
  }

  /** Adds an event handler of `order.placed` of the bus, unless it says otherwise. */
  on(
    name: string,
    { type = 'order.placed', sessionId = BUS, priority = 50, handler }: Placing = {},
  ): EventRegistration {
    const added = handler ?? (() => name)
    if (!this.#names.has(added)) this.#names.set(added, name)
    const registration: EventRegistration = { type, sessionId, handler: added, name, priority, options: {} }
    this.registry.registerEventHandler(registration)
    return registration
  }

  handle(
    name: string,
    { type = 'order.place', sessionId = BUS }: Omit<Placing, 'priority' | 'handler'> = {},
  ): CommandRegistration {
    const handler: CommandHandler = () => name
    this.#names.set(handler, name)
    const registration: CommandRegistration = { type, sessionId, handler, name, priority: 50, options: {} }
    this.registry.registerCommandHandler(registration)
    return registration
  }

  handlers(sessionId: string = BUS, type = 'order.placed'): (string | undefined)[] {
    return this.registry.getEventHandlers(type, sessionId).map((handler) => this.#names.get(handler))
  }

  command(sessionId: string = BUS, type = 'order.place'): string | undefined {
    const handler = this.registry.getCommandHandler(type, sessionId)
    return handler && this.#names.get(handler)
  }

  entries(sessionId: string = BUS, type = 'order.placed'): readonly EventHandlerEntry[] {
    return this.priorities.getEventHandlerEntries(type, sessionId)
  }

  patterns(type: string, sessionId: string = BUS): string[] {
    return namesOf(this.patternRegistry.getPatternEntries(type, sessionId))
  }

  get priorities(): PriorityHandlerRegistry {
    return extension(this.registry, 'priorities', isPriorityHandlerRegistry)
  }

  get removable(): RemovableHandlerRegistry {
    return extension(this.registry, 'removal', isRemovableHandlerRegistry)
  }

  get patternRegistry(): PatternHandlerRegistry {
    return extension(this.registry, 'patterns', isPatternHandlerRegistry)
  }

  get observable(): ObservableHandlerRegistry {
    return extension(this.registry, 'changes', isObservableHandlerRegistry)
  }
}

export const namesOf = (entries: readonly EventHandlerEntry[]): string[] => entries.map(({ name }) => name)

/** Whether a registry has an extension: by the same guards that the bus uses. */
export const hasExtension: Readonly<Record<RegistryExtension, (registry: object) => boolean>> = {
  priorities: isPriorityHandlerRegistry,
  removal: isRemovableHandlerRegistry,
  patterns: isPatternHandlerRegistry,
  changes: isObservableHandlerRegistry,
}

function extension<Extension>(
  registry: object,
  name: RegistryExtension,
  has: (registry: object) => registry is Extension & object,
): Extension {
  if (has(registry)) return registry
  throw new CheckFailedError(`what the check needs, \`${name}\`, which is not declared absent`, undefined, 'there')
}
