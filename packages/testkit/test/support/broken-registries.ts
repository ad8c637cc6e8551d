import {
  BUS,
  type CommandRegistration,
  createHandlerRegistry,
  type EventRegistration,
  type FullHandlerRegistry,
} from '@buslane/core'

type Overrides = (healthy: FullHandlerRegistry) => Partial<FullHandlerRegistry>

/** A registry with every extension, some methods of which are replaced. */
export function changedRegistry(overrides: Overrides = () => ({})): FullHandlerRegistry {
  const healthy = createHandlerRegistry()
  return {
    contract: healthy.contract,
    registerCommandHandler: (registration) => healthy.registerCommandHandler(registration),
    registerEventHandler: (registration) => healthy.registerEventHandler(registration),
    getCommandHandler: (type, sessionId) => healthy.getCommandHandler(type, sessionId),
    getEventHandlers: (type, sessionId) => healthy.getEventHandlers(type, sessionId),
    unregisterSession: (sessionId) => healthy.unregisterSession(sessionId),
    getEventHandlerEntries: (type, sessionId) => healthy.getEventHandlerEntries(type, sessionId),
    getPatternEntries: (type, sessionId) => healthy.getPatternEntries(type, sessionId),
    unregister: (registration) => healthy.unregister(registration),
    getHandlerStats: () => healthy.getHandlerStats(),
    onChange: (listener) => healthy.onChange(listener),
    ...overrides(healthy),
  }
}

interface BrokenRegistry {
  readonly fault: string
  readonly check: string
  readonly overrides: Overrides
}

/** Registries that the suite must reject, each by the check that is meant for it. */
export const brokenRegistries: readonly BrokenRegistry[] = [
  { fault: 'keeps another contract', check: 'REG-01', overrides: () => ({ contract: 'handler-registry/0' as never }) },
  {
    fault: 'gives the newest handler first',
    check: 'REG-02',
    overrides: (healthy) => ({
      getEventHandlers: (type, sessionId) => healthy.getEventHandlers(type, sessionId).toReversed(),
    }),
  },
  {
    fault: 'gives the handlers of the bus to the bus only',
    check: 'REG-03',
    overrides: (healthy) => ({
      getEventHandlers: (type, sessionId) => {
        const ours = new Set(sessionId === BUS ? [] : healthy.getEventHandlers(type, BUS))
        return healthy.getEventHandlers(type, sessionId).filter((handler) => !ours.has(handler))
      },
    }),
  },
  {
    fault: 'takes a function once',
    check: 'REG-04',
    overrides: (healthy) => ({
      getEventHandlers: (type, sessionId) => [...new Set(healthy.getEventHandlers(type, sessionId))],
    }),
  },
  {
    fault: 'prefers the command handler of the bus',
    check: 'REG-05',
    overrides: (healthy) => ({
      getCommandHandler: (type, sessionId) =>
        healthy.getCommandHandler(type, BUS) ?? healthy.getCommandHandler(type, sessionId),
    }),
  },
  {
    fault: 'lets the last command handler win',
    check: 'REG-06',
    overrides: (healthy) => {
      const present = new Map<string, CommandRegistration>()
      return {
        registerCommandHandler: (registration) => {
          const before = present.get(registration.sessionId)
          if (before) healthy.unregister(before)
          present.set(registration.sessionId, registration)
          healthy.registerCommandHandler(registration)
        },
      }
    },
  },
  {
    fault: 'keeps the handlers of ended sessions',
    check: 'REG-07',
    overrides: () => ({ unregisterSession: () => {} }),
  },
  {
    fault: 'gives the handlers of the bus before those of the session',
    check: 'REG-11',
    overrides: (healthy) => ({
      getEventHandlerEntries: (type, sessionId) => {
        const ours = healthy.getEventHandlerEntries(type, BUS)
        return [...ours, ...healthy.getEventHandlerEntries(type, sessionId).filter((entry) => !ours.includes(entry))]
      },
    }),
  },
  {
    fault: 'loses options',
    check: 'REG-12',
    overrides: (healthy) => ({
      getEventHandlerEntries: (type, sessionId) =>
        healthy.getEventHandlerEntries(type, sessionId).map((entry) => ({ ...entry, options: {} })),
    }),
  },
  {
    fault: 'gives an array that lives on',
    check: 'REG-13',
    overrides: (healthy) => {
      const entries: EventRegistration[] = []
      return {
        registerEventHandler: (registration) => {
          healthy.registerEventHandler(registration)
          entries.push(registration)
          entries.sort((a, b) => a.priority - b.priority)
        },
        getEventHandlerEntries: () => entries,
      }
    },
  },
  {
    fault: 'removes by function',
    check: 'REG-21',
    overrides: (healthy) => {
      const all: (EventRegistration | CommandRegistration)[] = []
      return {
        registerEventHandler: (registration) => {
          all.push(registration)
          healthy.registerEventHandler(registration)
        },
        unregister: ({ handler }) => {
          for (const one of all) if (one.handler === handler) healthy.unregister(one)
        },
      }
    },
  },
  {
    fault: 'throws when there is nothing to remove',
    check: 'REG-22',
    overrides: (healthy) => ({
      unregister: (registration) => {
        if (healthy.getEventHandlers(registration.type, registration.sessionId).length < 2) throw new Error('gone')
        healthy.unregister(registration)
      },
    }),
  },
  { fault: 'removes no command handler', check: 'REG-23', overrides: () => ({ unregister: () => {} }) },
  {
    fault: 'takes patterns for prefixes',
    check: 'REG-31',
    overrides: (healthy) => ({
      getPatternEntries: (type, sessionId) =>
        healthy.getPatternEntries(type.split('.').slice(0, 2).join('.'), sessionId),
    }),
  },
  {
    fault: 'mixes patterns with types',
    check: 'REG-32',
    overrides: (healthy) => ({
      getEventHandlers: (type, sessionId) => [
        ...healthy.getEventHandlers(type, sessionId),
        ...healthy.getPatternEntries(type, sessionId).map(({ handler }) => handler),
      ],
    }),
  },
  {
    fault: 'counts what was ever registered',
    check: 'REG-41',
    overrides: (healthy) => {
      let eventHandlers = 0
      return {
        registerEventHandler: (registration) => {
          eventHandlers += 1
          healthy.registerEventHandler(registration)
        },
        getHandlerStats: () => ({ ...healthy.getHandlerStats(), eventHandlers }),
      }
    },
  },
  {
    fault: 'tells for ever',
    check: 'REG-42',
    overrides: (healthy) => ({
      onChange: (listener) => {
        healthy.onChange(listener)
        return { [Symbol.dispose]: () => {} }
      },
    }),
  },
  {
    fault: 'does not tell of removals',
    check: 'REG-43',
    overrides: (healthy) => {
      let removing = false
      return {
        unregister: (registration) => {
          removing = true
          healthy.unregister(registration)
          removing = false
        },
        onChange: (listener) =>
          healthy.onChange((change) => {
            if (!removing) listener(change)
          }),
      }
    },
  },
]
