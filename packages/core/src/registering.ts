import { check, checkOptions, FUNCTION, type Kinds, PRIORITY, SIGNAL, TEXT } from './check.ts'
import type { CommandContext, CommandHandler, EventHandler } from './context.ts'
import type { Engine } from './engine.ts'
import { BusError, invalid } from './errors.ts'
import { BUS } from './message.ts'
import type { CommandHandlerOptions, HandlerOptions } from './options.ts'
import { compilePattern } from './pattern.ts'
import type { Registration } from './routing.ts'

// What a registration must be, whether it is made on the bus or on a session.

const HANDLE: Kinds = { name: TEXT, ...SIGNAL }
const ON: Kinds = { priority: PRIORITY, ...HANDLE, once: 'a boolean' }

export const registerEvent = (
  engine: Engine,
  definition: unknown,
  sessionId: string,
  handler: EventHandler<never>,
  options: HandlerOptions = {},
): Registration => {
  const { type, durable } = engine.definitions.learn(definition, 'event')
  requireHandler(engine, 'on', type, handler, options)
  if (durable && (!options.name || options.once)) {
    throw invalid(
      options.once
        ? `'once' cannot be promised for '${type}', which is durable: the handler may run in another process`
        : `'${type}' is durable, so its handlers need names that stay: on(..., { name: '...' })`,
    )
  }
  if (durable && engine.routing.hasNamed(type, sessionId, options.name!)) {
    throw new BusError(
      'HANDLER_EXISTS',
      `'${type}' is durable and has a handler named '${options.name}', so another needs another name: on(..., { name: '...' })`,
    )
  }
  if (type.startsWith('buslane.command.')) engine.hearsCommands = true
  return engine.routing.on(type, sessionId, handler as EventHandler, options)
}

export const registerPattern = (
  engine: Engine,
  pattern: string,
  handler: EventHandler,
  options: HandlerOptions = {},
): Registration => {
  compilePattern(pattern)
  requireHandler(engine, 'on', pattern, handler, options)
  return engine.routing.on(pattern, BUS, handler, options)
}

export const registerCommand = (
  engine: Engine,
  definition: unknown,
  sessionId: string,
  handler: (command: never, context: CommandContext) => unknown,
  options: CommandHandlerOptions = {},
): Registration => {
  const { type, options: own } = engine.definitions.learn(definition, 'command')
  requireHandler(engine, 'handle', type, handler, options)
  // Nothing else would tell that a plugin was forgotten, and the command would run without asking anybody.
  if (!engine.screen && (own as { readonly approval?: unknown }).approval !== undefined) {
    throw invalid(
      `'${type}' needs approval, and no plugin of this bus asks for it: createBus({ plugins: [approvals()] })`,
    )
  }
  return engine.routing.handle(type, sessionId, handler as CommandHandler, options)
}

const requireHandler = (
  { routing, added }: Engine,
  verb: 'on' | 'handle',
  type: string,
  handler: unknown,
  options: object,
): void => {
  check(`The handler of '${type}'`, handler, FUNCTION)
  // A registry of somebody else's may know options of its own.
  checkOptions(verb, options, verb === 'on' ? ON : HANDLE, routing.ownRegistry ? added : null)
}
