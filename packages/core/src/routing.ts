import { checkHooks } from './check.ts'
import type { CommandHandler, EventHandler } from './context.ts'
import type { HandlerCall } from './handler-call.ts'
import { BUS } from './message.ts'
import { compose, type Middleware } from './middleware.ts'
import type { CommandHandlerOptions, HandlerOptions } from './options.ts'
import { compilePattern, isPattern } from './pattern.ts'
import { byPriority, HandlerPriority } from './priority.ts'
import {
  type CommandRegistration,
  type EventHandlerEntry,
  type EventRegistration,
  type HandlerRegistration,
  type HandlerRegistry,
  isObservableHandlerRegistry,
  isPatternHandlerRegistry,
  isPriorityHandlerRegistry,
  isRemovableHandlerRegistry,
} from './registry.ts'
import { noop } from './thenable.ts'

/** A handler that was registered; dispose of it, or call `remove`, to remove it again. Removing twice is harmless. */
export interface Registration extends Disposable {
  readonly name: string
  remove(): void
}

/** A handler with what is around it. */
export type Run = (message: never, call: HandlerCall) => unknown

/** Puts something around each run of a handler. */
export interface Wrap {
  /** Throws to refuse a registration. */
  accept(kind: 'event' | 'command', type: string, registration: HandlerRegistration): void
  /** Called once for every handler and type, again when handlers change. */
  around(kind: 'event' | 'command', type: string, registration: HandlerRegistration, run: Run): Run
}

/** An event handler that was registered through the bus. */
interface Owner {
  readonly handler: EventHandler
  readonly name: string
  readonly identity: string | undefined
  readonly registration: HandlerRegistration
  readonly once: boolean
  /** Across scopes and patterns: what "in registration order" means. */
  readonly order: number
  removed: boolean
  /** Marks it as removed. */
  forget: () => void
  remove: () => void
}

/** One event handler of a plan, with its middleware folded in. */
export interface Step {
  readonly run: Run
  readonly name: string
  /** What a store calls it: the name it was given, which stays when the function is renamed; `undefined` without one. */
  readonly identity: string | undefined
  readonly priority: number
  readonly owner: Owner | undefined
  readonly once: boolean
  readonly registration: HandlerRegistration
  /** Runs are counted by the innermost step of the middleware, if there is any. */
  readonly counts: boolean
  readonly index: number
  /** The index behind the last step of the same priority. */
  groupEnd: number
  /** Alone in its group. */
  sole: boolean
}

/** Who handles a type in a session, in strict priority order. Never changed once it is in use. */
export type Plan = readonly Step[]

/** Who does a command. */
export interface CommandEntry {
  name: string
  registration: HandlerRegistration
  handler: CommandHandler | undefined
  run: Run
  counts: boolean
  version: number
}

/** Names are unique per scope; a pattern is a name too. Those of sessions are told apart, since a session may be gone. */
const identityOf = (type: string, sessionId: string, name: string | undefined): string | undefined => {
  if (name === undefined) return isPattern(type) ? type : undefined
  return sessionId === BUS ? name : SESSION_HANDLER + name
}

/** What the identity of a session's handler begins with. */
export const SESSION_HANDLER = 'session:'

const nameOf = (handler: { readonly name: string }): string => handler.name || 'anonymous'

/**
 * Answers who handles a message. It makes plans of what the registry keeps, and makes up for what a registry lacks that
 * has only the base API: priorities are then NORMAL, and removals and patterns are kept track of here (R-REG-1).
 */
export class Routing {
  readonly registry: HandlerRegistry
  publishHooks: readonly NonNullable<Middleware['publish']>[] = []
  #middleware: readonly Middleware[] = []
  #wraps: readonly Wrap[] = []
  #version = 0
  #order = 0
  /** Plans by type until something changes: of the bus, which sessions without handlers of their own share. */
  readonly #busPlans = new Map<string, Plan>()
  /** Of the last event of the bus: the next is often of the same type. */
  #latest: { readonly type: string; readonly plan: Plan } | undefined = undefined
  /** Plans by session and type. */
  readonly #plans = new Map<string, Map<string, Plan>>()
  readonly #observable: boolean
  /** The bus made the registry, so that nobody else registers there. */
  readonly ownRegistry: boolean
  /** Sessions that have handlers of their own. */
  readonly #scoped = new Map<string, Set<{ forget(): void }>>()
  /** Kept here if the registry knows no patterns. */
  readonly #patterns = new Map<EventRegistration, (type: string) => boolean>()
  /** How many handlers were registered for a type itself, in all scopes: patterns alone make nothing claimable. Commands too. */
  readonly heard: Map<string, number> = new Map()
  readonly #heardInSessions = new Map<string, number>()
  /** Told that a type has its first handler, or lost its last, in the bus or in its sessions; or that those of the bus changed. */
  changed: () => void = noop
  /** Whose function a registry gave back. */
  readonly #owners = new WeakMap<EventHandler, Owner>()
  readonly #commands = new WeakMap<CommandHandler, CommandEntry>()
  /** Commands in a registry that cannot forget: what stands there is used again. */
  readonly #kept = new Map<string, Map<string, CommandEntry>>()

  constructor(registry: HandlerRegistry, own: boolean) {
    this.registry = registry
    this.ownRegistry = own
    this.#observable = isObservableHandlerRegistry(registry)
    if (isObservableHandlerRegistry(registry)) registry.onChange((change) => this.#forget(change?.sessionId ?? BUS))
  }

  use(middleware: Middleware): Disposable {
    checkHooks('The middleware', middleware, ['command', 'event', 'publish'])
    const { command, event, publish } = middleware
    const own: Middleware = {
      ...(command && { command: command.bind(middleware) }),
      ...(event && { event: event.bind(middleware) }),
      ...(publish && { publish: publish.bind(middleware) }),
    }
    this.#setMiddleware([...this.#middleware, own])
    return { [Symbol.dispose]: () => this.#setMiddleware(this.#middleware.filter((other) => other !== own)) }
  }

  /** What is put around is outside of all middleware. */
  wrap(wrap: Wrap): void {
    this.#wraps = [...this.#wraps, wrap]
    this.#setMiddleware(this.#middleware)
  }

  #compose(
    kind: 'event' | 'command',
    type: string,
    registration: HandlerRegistration,
    handler: Run,
  ): { readonly run: Run; readonly counts: boolean } {
    const hooks = this.#middleware.flatMap((middleware) => middleware[kind] ?? [])
    const counts = hooks.length + this.#wraps.length > 0
    const run = counts ? compose<HandlerCall>(hooks, handler) : handler
    return { counts, run: this.#wraps.reduceRight((inner, wrap) => wrap.around(kind, type, registration, inner), run) }
  }

  /** Registers an event handler, or a pattern handler if `type` is a pattern. */
  on(type: string, sessionId: string, handler: EventHandler, options: HandlerOptions): Registration {
    const { registry } = this
    const name = options.name ?? nameOf(handler)
    const priority = isPriorityHandlerRegistry(registry) ? options.priority : undefined
    // A function for each registration, so that whatever a registry gives back can be told apart.
    const registered: EventRegistration = {
      type,
      sessionId,
      handler: (event, context) => handler(event, context),
      name,
      priority: priority ?? HandlerPriority.NORMAL,
      options,
    }
    for (const wrap of this.#wraps) wrap.accept('event', type, registered)
    const once = options.once === true
    const identity = identityOf(type, sessionId, options.name)
    const owner: Owner = {
      handler,
      name,
      identity,
      registration: registered,
      once,
      order: this.#order++,
      removed: false,
      forget: noop,
      remove: noop,
    }
    this.#owners.set(registered.handler, owner)
    if (isPattern(type) && !isPatternHandlerRegistry(registry)) this.#patterns.set(registered, compilePattern(type))
    else registry.registerEventHandler(registered)
    if (sessionId !== BUS) this.#scope(sessionId).add(owner)
    this.#hear(type, sessionId, 1)
    this.#forget(sessionId)
    owner.forget = () => {
      owner.removed = true
      this.#hear(type, sessionId, -1)
    }
    owner.remove = () => {
      if (owner.removed) return
      owner.forget()
      this.#scoped.get(sessionId)?.delete(owner)
      if (!this.#patterns.delete(registered) && isRemovableHandlerRegistry(registry)) registry.unregister(registered)
      this.#forget(sessionId)
    }
    return registration(name, owner.remove, options.signal)
  }

  handle(type: string, sessionId: string, handler: CommandHandler, options: CommandHandlerOptions): Registration {
    const { registry } = this
    const name = options.name ?? nameOf(handler)
    const kept = this.#kept.get(sessionId)?.get(type)
    const own: CommandHandler = (command, context) => handler(command, context)
    const registered: CommandRegistration = {
      type,
      sessionId,
      handler: (command, context) => entry.handler!(command, context),
      name,
      priority: HandlerPriority.NORMAL,
      options,
    }
    for (const wrap of this.#wraps) wrap.accept('command', type, registered)
    const entry: CommandEntry = kept && !kept.handler ? kept : newEntry(registered, handler)
    if (entry !== kept) {
      // First, since whoever hears of the registration may ask for it.
      this.#commands.set(registered.handler, entry)
      registry.registerCommandHandler(registered)
      if (!isRemovableHandlerRegistry(registry)) {
        getOrMake(this.#kept, sessionId, () => new Map<string, CommandEntry>()).set(type, entry)
      }
    }
    Object.assign(entry, { name, registration: registered, handler: own, version: -1 })
    const scoped = {
      forget: () => {
        if (entry.handler !== own) return
        entry.handler = undefined
        this.#hear(type, sessionId, -1)
      },
    }
    if (sessionId !== BUS) this.#scope(sessionId).add(scoped)
    this.#hear(type, sessionId, 1)
    const remove = (): void => {
      if (entry.handler !== own) return
      scoped.forget()
      this.#scoped.get(sessionId)?.delete(scoped)
      if (isRemovableHandlerRegistry(registry)) registry.unregister(registered)
    }
    return registration(name, remove, options.signal)
  }

  #scope(sessionId: string): Set<{ forget(): void }> {
    return getOrMake(this.#scoped, sessionId, () => new Set())
  }

  unregisterSession(sessionId: string): void {
    for (const pattern of this.#patterns.keys()) {
      if (pattern.sessionId === sessionId) this.#patterns.delete(pattern)
    }
    for (const owner of this.#scoped.get(sessionId) ?? []) owner.forget()
    this.#kept.delete(sessionId)
    this.#forget(sessionId)
    this.#scoped.delete(sessionId)
    // Last, since it may throw.
    this.registry.unregisterSession(sessionId)
  }

  command(type: string, sessionId: string): CommandEntry | undefined {
    const handler = this.registry.getCommandHandler(type, sessionId)
    if (!handler) return undefined
    let entry = this.#commands.get(handler)
    if (!entry) {
      entry = newEntry({ name: nameOf(handler), priority: HandlerPriority.NORMAL }, handler)
      this.#commands.set(handler, entry)
    }
    if (!entry.handler) return sessionId === BUS ? undefined : this.command(type, BUS)
    if (entry.version !== this.#version) {
      entry.version = this.#version
      Object.assign(entry, this.#compose('command', type, entry.registration, entry.handler))
    }
    return entry
  }

  /** Whether the type has a handler of this name in the scope: a store could not tell two apart. */
  hasNamed(type: string, sessionId: string, name: string): boolean {
    const wanted = identityOf(type, sessionId, name)
    return this.plan(type, sessionId).some(({ identity }) => identity === wanted)
  }

  /** A stored command goes the way of an event with one handler, whose name in the store is the command's type. */
  commandPlan(type: string, sessionId: string): Plan {
    const entry = this.command(type, sessionId)
    if (!entry) return []
    const { run, counts, name, registration } = entry
    const facts = { priority: HandlerPriority.NORMAL, owner: undefined, once: false, index: 0, groupEnd: 1, sole: true }
    return [{ run, counts, name, registration, identity: type, ...facts }]
  }

  plan(type: string, sessionId: string): Plan {
    if (sessionId === BUS && type === this.#latest?.type) return this.#latest.plan
    // Only a registry of our own is known to have no handlers for a session but those that came through here.
    if (!this.#observable || (sessionId !== BUS && !this.ownRegistry)) return this.#makePlan(type, sessionId)
    const own = sessionId !== BUS && this.#scoped.has(sessionId)
    const plans = own ? getOrMake(this.#plans, sessionId, () => new Map<string, Plan>()) : this.#busPlans
    const plan = plans.get(type)
    if (plan !== undefined) {
      if (sessionId === BUS) this.#latest = { type, plan }
      return plan
    }
    const made = this.#makePlan(type, own ? sessionId : BUS)
    plans.set(type, made)
    return made
  }

  #makePlan(type: string, sessionId: string): Plan {
    const { registry } = this
    const entries: EventHandlerEntry[] = isPriorityHandlerRegistry(registry)
      ? [...registry.getEventHandlerEntries(type, sessionId)]
      : registry.getEventHandlers(type, sessionId).map((handler) => {
          return { handler, name: this.#owners.get(handler)?.name ?? nameOf(handler), priority: HandlerPriority.NORMAL }
        })
    if (isPatternHandlerRegistry(registry)) entries.push(...registry.getPatternEntries(type, sessionId))
    for (const [pattern, matches] of this.#patterns) {
      if ((pattern.sessionId === BUS || pattern.sessionId === sessionId) && matches(type)) entries.push(pattern)
    }
    const plan = entries
      .map((entry) => ({ entry, owner: this.#owners.get(entry.handler) }))
      .filter(({ owner }) => !owner?.removed)
      .sort((a, b) => byPriority(a.entry, b.entry) || (a.owner?.order ?? 0) - (b.owner?.order ?? 0))
      .map(({ entry, owner }, index): Step => {
        const handler = owner?.handler ?? entry.handler
        const registration = owner?.registration ?? entry
        return {
          ...this.#compose('event', type, registration, handler),
          registration,
          name: entry.name,
          identity: owner ? owner.identity : entry.name,
          priority: entry.priority,
          owner,
          once: owner?.once ?? false,
          index,
          groupEnd: 0,
          sole: false,
        }
      })
    for (let index = plan.length - 1; index >= 0; index--) {
      const step = plan[index]!
      const next = plan[index + 1]
      const last = next?.priority !== step.priority
      step.groupEnd = last ? index + 1 : next.groupEnd
      step.sole = last && plan[index - 1]?.priority !== step.priority
    }
    return plan
  }

  #setMiddleware(middleware: readonly Middleware[]): void {
    this.#middleware = middleware
    this.publishHooks = middleware.flatMap(({ publish }) => publish ?? [])
    this.#version++
    this.#forget(BUS)
  }

  /** Whether a session has a handler of its own for the type. */
  heardInSessions(type: string): boolean {
    return this.#heardInSessions.has(type)
  }

  #hear(type: string, sessionId: string, by: 1 | -1): void {
    const isNews = count(this.heard, type, by)
    if ((sessionId !== BUS && count(this.#heardInSessions, type, by)) || isNews) this.changed()
  }

  /** Drops what was made of a scope's handlers. Every session's plans contain the handlers of the bus. */
  #forget(sessionId: string): void {
    if (sessionId !== BUS) {
      this.#plans.delete(sessionId)
      return
    }
    this.changed()
    this.#latest = undefined
    this.#busPlans.clear()
    this.#plans.clear()
  }
}

const newEntry = (registration: HandlerRegistration, handler: CommandHandler): CommandEntry => {
  return { name: registration.name, registration, handler, run: noop, counts: false, version: -1 }
}

/** Whether the count rose from 0 or fell to it. */
const count = (counts: Map<string, number>, key: string, by: 1 | -1): boolean => {
  const now = (counts.get(key) ?? 0) + by
  if (now > 0) counts.set(key, now)
  else counts.delete(key)
  return now === 0 || (by === 1 && now === 1)
}

const getOrMake = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}

const registration = (name: string, remove: () => void, signal: AbortSignal | undefined): Registration => {
  const removeOnce = (): void => {
    signal?.removeEventListener('abort', removeOnce)
    remove()
  }
  signal?.addEventListener('abort', removeOnce, { once: true })
  if (signal?.aborted) removeOnce()
  return { name, remove: removeOnce, [Symbol.dispose]: removeOnce }
}
