import type { Clock } from './clock.ts'
import type { Engine } from './engine.ts'
import { BusError, describe, invalid } from './errors.ts'
import type { Decision, Failure } from './failure.ts'
import type { PluginHooks } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import type { EventMessage } from './message.ts'
import type { Middleware } from './middleware.ts'
import type { Observer } from './observer.ts'
import type { Persistence } from './persistence.ts'
import { keep, type Signals } from './signals.ts'
import type { BusStats } from './stats.ts'

/**
 * Adds to a bus what not everybody needs. `install` runs once, while the bus is created and before anything else uses
 * it; whatever it throws, `createBus` throws as `PLUGIN_FAILED`.
 */
export interface Plugin {
  readonly name: string
  install(host: PluginHost): void
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
  /** Publishes an event past filters and publish middleware, beyond the bound. For types that start with `buslane.`. */
  publishSystem(event: EventMessage): void
  /** Stops (`false`) and resumes the claiming of a type from the store; nothing without a store. */
  gate(type: string, open: boolean): void
  /** What the bus keeps things in. */
  readonly persistence: Persistence
  readonly signals: Signals
  readonly clock: Clock
  readonly logger: Logger
}

/** Installs the plugins; what they asked for at start and stop is given back. */
export const installPlugins = (
  engine: Engine,
  plugins: readonly Plugin[],
  bus: Pick<PluginHost, 'name' | 'stats'>,
): PluginHooks[] =>
  plugins.map((plugin) => {
    if (typeof plugin?.install !== 'function') throw invalid('A plugin must be an object { name, install(host) }')
    const { name } = plugin
    const hooks: PluginHooks = { name, start: [], stop: [] }
    const { clock, logger, observers, routing } = engine
    const host: PluginHost = {
      name: bus.name,
      stats: () => bus.stats(),
      onCall: (hook) => keep(engine.callers, hook),
      use: (middleware) => routing.use(middleware),
      observe: (observer) => observers.add(observer),
      onStart: (hook) => void hooks.start.push(hook),
      onStop: (hook) => void hooks.stop.push(hook),
      onFailure: (decide) => {
        if (engine.decide) throw invalid(`Another plugin decides about failures already; '${name}' cannot too`)
        engine.decide = decide
      },
      publishSystem: (event) => engine.publishing.publishSystem(event, engine.definitions.of(event, 'event')),
      gate: (type, open) => engine.store?.gate(type, open),
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
