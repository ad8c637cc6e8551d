import { type AddedOptions, check, checkOptions, FUNCTION, type Kinds, TEXT } from './check.ts'
import type { Clock } from './clock.ts'
import type { CommandResult } from './command-result.ts'
import type { CommandScreen } from './commands.ts'
import type { EventContext, EventHandler, HandlerContext } from './context.ts'
import type { Engine } from './engine.ts'
import { BusError, describe, invalid, shown } from './errors.ts'
import type { Decision, Failure } from './failure.ts'
import type { HandlerCall } from './handler-call.ts'
import type { PluginHooks } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import {
  type AnyDefinition,
  BUS,
  type CommandMessage,
  type EventDefinition,
  type EventMessage,
  type Message,
} from './message.ts'
import type { Middleware } from './middleware.ts'
import type { Observer } from './observer.ts'
import type { HandlerOptions } from './options.ts'
import type { Persistence } from './persistence.ts'
import { registerEvent } from './registering.ts'
import type { HandlerRegistration } from './registry.ts'
import { keep, type Signals } from './signals.ts'
import type { BusStats, HealthWarning } from './stats.ts'
import type { Burial, DeliveryLease } from './store-host.ts'

/**
 * Adds to a bus what not everybody needs. `install` runs once, while the bus is created and before anything else uses
 * it; whatever it throws, `createBus` throws as `PLUGIN_FAILED`.
 */
export interface Plugin {
  readonly name: string
  /**
   * The options that it adds by declaration merging, by the call that takes them. Options that nobody knows are refused; on a bus
   * with a plugin that does not say which are its own, these calls take any.
   */
  readonly options?: PluginOptions | undefined
  install(host: PluginHost): void
}

/** Names of options that a plugin adds: to `on` and `onPattern`, to `handle`, to `publish`, to `execute`. */
export type PluginOptions = {
  readonly [Verb in 'on' | 'handle' | 'publish' | 'execute']?: readonly string[] | undefined
}

/** What a plugin can reach. */
export interface PluginHost {
  /** The bus's name. */
  readonly name: string
  /** As `bus.stats()`. */
  stats(): BusStats
  use(middleware: Middleware): Disposable
  observe(observer: Observer): Disposable
  /** Runs during `bus.start()`, in the order of installation, before events are handled. */
  onStart(hook: () => void | PromiseLike<void>): void
  /** Runs at the end of `bus.stop()`, in reverse order. */
  onStop(hook: () => void | PromiseLike<void>): void
  /**
   * Calls back before each publish, schedule and execute is looked at, and before an event that was claimed comes in, until
   * disposed of. For a plugin that has nothing to do until something else is there: it costs less than an observer.
   */
  onCall(hook: () => void): Disposable
  /**
   * Decides what becomes of a failed handler or command. It is asked after every attempt and must answer at once. One
   * plugin may decide: a second call throws.
   */
  onFailure(decide: (failure: Failure) => Decision): void
  /**
   * Puts something around each run of a handler, outside of all middleware: cheaper than middleware, and knows the handler.
   */
  wrap(wrapper: HandlerWrapper): void
  /** Holds commands back, or answers them itself. One plugin may: a second call throws. */
  screen(screen: CommandScreen): void
  /** As `bus.on`. */
  on<Payload>(
    definition: EventDefinition<Payload>,
    handler: EventHandler<Payload>,
    options: HandlerOptions & { readonly name: string },
  ): Disposable
  /** Whether somebody here handles events of this type: a handler of a pattern does not count. */
  hears(type: string): boolean
  /**
   * Refuses a message that nobody would handle now. `name`: what the handler is called in a store; of a command any handler will do.
   *
   * @throws {BusError} `NO_HANDLER`, `BUS_STOPPED`, `SESSION_ENDED`
   */
  requireHandler(
    message: Pick<Message, 'type' | 'sessionId'> & { readonly kind: 'event' | 'command' },
    name: string | undefined,
  ): void
  /** Raises the signal of a handler's run with this reason, and ends what the run waits for on this bus. */
  abort(context: HandlerContext, error: BusError): void
  /** As `bus.execute`. */
  execute<Result>(command: CommandMessage<unknown, Result>): Promise<CommandResult<Result>>
  /**
   * Puts an event into its lane beyond the bound, past filters and middleware; `lease` says which handlers run, and is told.
   *
   * @throws {BusError} `INVALID_PAYLOAD`, `UNKNOWN_VERSION`, `BUS_STOPPED`
   */
  redeliver(event: EventMessage, lease: DeliveryLease): Promise<void>
  /** Is told of every stored message that this process moved to the dead letters. */
  onBuried(listener: (burial: Burial) => void): void
  /** Is asked what else `bus.health()` should warn of. */
  onHealth(read: () => readonly HealthWarning[]): void
  /** Publishes an event past filters and publish middleware, beyond the bound. For types that start with `buslane.`. */
  publishSystem(event: EventMessage): void
  /** Stops (`false`) and resumes the claiming of a type from the store; nothing without a store. */
  gate(type: string, open: boolean): void
  /** Something was stored past the bus, perhaps for later: looks at what is due, and when more will be. */
  lookAtStore(): void
  /** What the bus keeps things in. */
  readonly persistence: Persistence
  readonly signals: Signals
  readonly clock: Clock
  readonly logger: Logger
}

/** A run of a handler, as {@link PluginHost.wrap} sees it. */
export type HandlerRun = (message: Message, context: RunContext) => unknown

/** What a run has beside its context. The same object for every attempt that is made without leaving this process. */
export interface RunContext extends EventContext {
  /** Runs of the handler's own function so far, this one not included. */
  attempts: number
  /** Whether a store keeps the message. */
  readonly isStored: boolean
}

/** What puts something around handlers. */
export interface HandlerWrapper {
  /** Throws to refuse the registration of a handler. */
  readonly accept?: (handler: WrappedHandler) => void
  /** Asked once for every handler and type, again when handlers change; gives `run` back where it has nothing to do. */
  readonly around: (handler: WrappedHandler, run: HandlerRun) => HandlerRun
}

/** A handler that is about to get something around it. */
export interface WrappedHandler {
  readonly kind: 'event' | 'command'
  /** Of the messages that it gets here: a handler of a pattern is asked about for every type. */
  readonly type: string
  readonly definition: AnyDefinition | undefined
  /** The same object for as long as the handler is registered. */
  readonly registration: HandlerRegistration
}

const OPTIONS: Kinds = { on: 'an array', handle: 'an array', publish: 'an array', execute: 'an array' }

/** Checks the plugins, and reads what they add to the options of core. */
const addedBy = (plugins: readonly Plugin[]): AddedOptions => {
  const added: Record<string, string[]> = { on: [], handle: [], publish: [], execute: [] }
  let areAllKnown = true
  for (const plugin of plugins) {
    if (typeof plugin?.install !== 'function') {
      throw invalid(`A plugin must be an object { name, install(host) }, not ${shown(plugin)}`)
    }
    check('The name of a plugin', plugin.name, TEXT)
    checkOptions(`the plugin '${plugin.name}'`, plugin.options, OPTIONS)
    if (plugin.options === undefined) areAllKnown = false
    for (const [verb, names] of Object.entries(plugin.options ?? {})) added[verb]!.push(...(names ?? []))
  }
  return areAllKnown ? added : null
}

/** Installs the plugins; what they asked for at start and stop is given back. */
export const installPlugins = (
  engine: Engine,
  plugins: readonly Plugin[],
  bus: Pick<PluginHost, 'name' | 'stats'>,
): PluginHooks[] => {
  engine.added = addedBy(plugins)
  return plugins.map((plugin: Plugin) => {
    const { name } = plugin
    const hooks: PluginHooks = { name, start: [], stop: [] }
    const { clock, logger, observers, routing } = engine
    const needed = <F>(verb: string, given: F): F => {
      check(`What ${verb}() of the host is given`, given, FUNCTION)
      return given
    }
    const host: PluginHost = {
      name: bus.name,
      stats: () => bus.stats(),
      onCall: (hook) => keep(engine.callers, needed('onCall', hook)),
      use: (middleware) => routing.use(middleware),
      observe: (observer) => observers.add(observer),
      onStart: (hook) => void hooks.start.push(needed('onStart', hook)),
      onStop: (hook) => void hooks.stop.push(needed('onStop', hook)),
      onFailure: (decide) => {
        if (engine.decide) throw invalid(`Another plugin decides about failures already; '${name}' cannot too`)
        engine.decide = needed('onFailure', decide)
      },
      wrap: ({ accept, around }) => {
        needed('wrap', around)
        const about = (kind: 'event' | 'command', type: string, registration: HandlerRegistration): WrappedHandler => {
          return { kind, type, registration, definition: engine.definitions.get(type) }
        }
        routing.wrap({
          accept: (...facts) => accept?.(about(...facts)),
          around: (kind, type, registration, run) => around(about(kind, type, registration), run as HandlerRun),
        })
      },
      screen: (screen) => {
        if (engine.screen) throw invalid(`Another plugin screens commands already; '${name}' cannot too`)
        engine.screen = needed('screen', screen)
      },
      on: (definition, handler, options) => registerEvent(engine, definition, BUS, handler, options),
      hears: (type) => routing.heard.has(type),
      requireHandler: (message, wanted) => {
        const { kind, type, sessionId } = message
        engine.requireOpen(sessionId, undefined)
        if (engine.plan(message).some(({ identity }) => kind === 'command' || identity === wanted)) return
        throw new BusError(
          'NO_HANDLER',
          `'${type}' has no handler ${wanted ? `'${wanted}' ` : ''}here. Register it again`,
        )
      },
      abort: (context, error) => {
        ;(context as HandlerCall).abort(error)
        engine.callAborted(context as HandlerCall, error)
      },
      execute: (command) => engine.executing.execute(command),
      redeliver: (event, lease) => engine.publishing.redeliver(event, engine.definitions.of(event, 'event'), lease),
      onBuried: (listener) => void engine.buried.add(needed('onBuried', listener)),
      onHealth: (read) => void engine.warnings.add(needed('onHealth', read)),
      publishSystem: (event) => engine.publishing.publishSystem(event, engine.definitions.of(event, 'event')),
      gate: (type, open) => engine.store?.gate(type, open),
      lookAtStore: () => engine.store?.look(),
      persistence: engine.persistence,
      signals: engine.signals,
      clock,
      logger,
    }
    try {
      plugin.install(host)
    } catch (cause) {
      throw new BusError('PLUGIN_FAILED', `Plugin '${name}' could not be installed: ${describe(cause)}`, { cause })
    }
    return hooks
  })
}
