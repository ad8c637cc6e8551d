import type { Engine } from './engine.ts'
import { BusError, describe } from './errors.ts'
import { chainOf, type HandlerCall } from './handler-call.ts'
import type { Message } from './message.ts'
import { endSession } from './session-end.ts'
import type { LeftEvent, StopReport } from './stats.ts'
import type { Closers } from './streams.ts'

type Hook = () => void | PromiseLike<void>

/** What a plugin asked to be called for. */
export interface PluginHooks {
  readonly name: string
  readonly start: Hook[]
  readonly stop: Hook[]
}

/** How long `stop` waits for sessions whose stored events cannot be written. */
const SESSIONS_MS = 5000

/** Starting and stopping. Calls queue up, so that every order of them is safe (R-STOP-2). */
export class Lifecycle {
  readonly #engine: Engine
  readonly #plugins: readonly PluginHooks[]
  readonly #closers: Closers
  #queue: Promise<unknown> = Promise.resolve()
  #queued = 0
  #started: PluginHooks[] = []
  /** Stored events that the last stop aborted: they are not left, but given back. */
  #abortedStored = 0

  constructor(engine: Engine, plugins: readonly PluginHooks[], closers: Closers) {
    this.#engine = engine
    this.#plugins = plugins
    this.#closers = closers
  }

  start(): Promise<void> {
    return this.#enqueue(async () => {
      const engine = this.#engine
      if (engine.state === 'running') return
      engine.state = 'starting'
      for (const plugin of this.#plugins) {
        try {
          for (const hook of plugin.start) await hook()
          this.#started.push(plugin)
        } catch (cause) {
          await this.#stopPlugins()
          engine.state = 'created'
          throw new BusError('PLUGIN_FAILED', `Plugin '${plugin.name}' did not start: ${describe(cause)}`, { cause })
        }
      }
      await engine.store?.start()
      engine.state = 'running'
      engine.asyncContext.enable()
      engine.lanes.open()
      engine.store?.wanted()
    })
  }

  /** A handler that stops the bus is not waited for, and what it stands in the way of is left. */
  stop(timeoutMs: number, call: HandlerCall | undefined): Promise<StopReport> {
    const held = call && this.#engine.quiescence.wait({ call, held: true })
    return this.#enqueue(() => {
      held?.cancel()
      return this.#stop(timeoutMs, call)
    })
  }

  async #stop(timeoutMs: number, call: HandlerCall | undefined): Promise<StopReport> {
    const engine = this.#engine
    const { intake, lanes } = engine
    if (engine.state === 'stopped') return { finished: 0, aborted: 0, released: 0, left: [] }
    const wasRunning = engine.state === 'running'
    const settledBefore = intake.counts.settled + intake.stored.settled
    engine.state = 'stopping'
    this.#abortedStored = 0
    // What waits here for a slot is for other processes from now on.
    let released = (await engine.store?.pause()) ?? 0
    if (wasRunning) await this.#quiet(timeoutMs, call)
    const left = engine.scheduler.clear().map(({ message }) => leftEvent(message, 'scheduled'))
    let aborted = this.#abort(left, call)
    const ending = [...engine.sessions.values()].map((session) =>
      endSession(engine, session, { abort: true, schedules: 'detach' }, call),
    )
    // What became of their stored events is written meanwhile, if the store answers.
    await this.#within(SESSIONS_MS, Promise.all(ending))
    // The events that say that sessions ended have a moment of their own.
    if (wasRunning) await this.#quiet(Math.min(timeoutMs, 1000), call)
    left.push(...engine.scheduler.clear().map(({ message }) => leftEvent(message, 'scheduled')))
    // First, so that what handlers publish when they are aborted is refused: nothing would handle it, or tell of it.
    lanes.close()
    aborted += this.#abort(left, call)
    released += (await engine.store?.stop()) ?? 0
    const settled = intake.counts.settled + intake.stored.settled - settledBefore
    const finished = settled - this.#abortedStored - left.filter(({ reason }) => reason === 'aborted').length
    for (const close of this.#closers) close()
    await this.#stopPlugins()
    engine.failures.flush()
    engine.state = 'stopped'
    engine.asyncContext.disable()
    return { finished, aborted, released, left }
  }

  /** Waits until nothing is left to do, or for so long. */
  async #quiet(limitMs: number, call: HandlerCall | undefined): Promise<void> {
    const wait = this.#engine.quiescence.wait({ call })
    await this.#within(limitMs, wait.done)
    wait.cancel()
  }

  async #within(limitMs: number, done: Promise<unknown>): Promise<void> {
    const { timers } = this.#engine
    const { promise: limit, resolve } = Promise.withResolvers<void>()
    const timer = limitMs === Infinity ? undefined : timers.after(limitMs, resolve)
    await Promise.race([done, limit])
    timers.cancel(timer)
  }

  /** Aborts what runs and takes away what waits, but for the chain of calls that stops the bus. */
  #abort(left: LeftEvent[], call: HandlerCall | undefined): number {
    const engine = this.#engine
    const { intake, lanes, executing } = engine
    const error = new BusError('BUS_STOPPED', 'The bus stopped before the handler had finished')
    const chain = chainOf(call)
    intake.refuseBlocked(error)
    for (const delivery of lanes.waiting()) {
      intake.remove(delivery, 'leftAtStop')
      delivery.waiter?.reject(error)
      if (!delivery.system && !delivery.lease) left.push(leftEvent(delivery.message, 'waiting'))
      engine.refused(delivery, 'dropped', error)
    }
    const events = [...lanes.active].filter(({ delivery }) => delivery && !chain.has(delivery))
    const commands = [...executing.running].filter((command) => !chain.has(command))
    for (const { delivery } of events) {
      if (delivery!.lease) this.#abortedStored++
      else if (!delivery!.system) left.push(leftEvent(delivery!.message, 'aborted'))
    }
    for (const dispatch of events) dispatch.cut('aborted', error)
    for (const command of commands) command.more?.end?.(error)
    return events.length + commands.length
  }

  async #stopPlugins(): Promise<void> {
    for (const plugin of this.#started.reverse()) {
      for (const hook of plugin.stop.toReversed()) {
        try {
          await hook()
        } catch (error) {
          this.#engine.logger.error({ error }, `Plugin '${plugin.name}' failed to stop: ${describe(error)}`)
        }
      }
    }
    this.#started = []
  }

  /** Runs at once if nothing else does: what `stop` refuses, it refuses from the moment it is called. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queued === 0 ? work() : this.#queue.then(work)
    this.#queued++
    const leave = (): void => void this.#queued--
    this.#queue = done.then(leave, leave)
    return done
  }
}

const leftEvent = ({ id, type, sessionId }: Message, reason: LeftEvent['reason']): LeftEvent => ({
  id,
  type,
  sessionId,
  reason,
})
