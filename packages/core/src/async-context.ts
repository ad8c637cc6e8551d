import type { HandlerCall } from './handler-call.ts'
import { noop } from './thenable.ts'

// Only what is used of node:async_hooks, which is reached through process.getBuiltinModule: core imports nothing, and
// runtimes without it still work (then only `context`, and the synchronous part of a handler, tell who is calling).
interface AsyncLocalStorage<T> {
  run<R>(store: T, callback: () => R): R
  disable(): void
  getStore(): T | undefined
}
interface AsyncResource {
  runInAsyncScope<R>(callback: (...args: never[]) => R, self?: unknown, ...args: unknown[]): R
}
interface AsyncHooks {
  AsyncLocalStorage: { new <T>(): AsyncLocalStorage<T>; snapshot(): <R>(callback: () => R) => R }
  AsyncResource: new (type: string, options: { requireManualDestroy: boolean }) => AsyncResource
}

/** Whoever has an async context: a call, or an event whose handlers run one after another. */
export interface FrameHolder {
  /** The call that code in this context belongs to. */
  readonly holding: HandlerCall | undefined
  frame: AsyncFrame | undefined
}

/** An async context that one holder at a time has. */
export interface AsyncFrame {
  holder: FrameHolder | undefined
  /** While it rests: the frame that came to rest after it. */
  next: AsyncFrame | undefined
  readonly resource: AsyncResource
}

type Run = (message: never, call: HandlerCall) => unknown

/**
 * Tells which handler a call through `bus` comes from, so that waiting there cannot deadlock (R-PUB-3).
 *
 * Making an async context costs more than dispatching an event, entering one that exists costs little. So contexts are
 * kept and used again, the one that rested longest first, and only while {@link FRAMES} others rest: a task that a handler
 * left behind and that calls the bus later finds its context empty. Handlers that run one after another share the context
 * of their event; those that run side by side have one each. What this cannot tell apart is in
 * docs/decisions/0002-async-context.md.
 */
export interface AsyncContext {
  /** Whether what a handler starts stays in the context that {@link enter} made, until the next turn and beyond. */
  readonly lasts: boolean
  /** Does something in the context of an event. */
  enter<Result>(holder: FrameHolder, work: () => Result): Result
  /** Runs a handler's function in a context of its own. */
  run(call: HandlerCall, run: Run, message: unknown): unknown
  /** As `run`, but keeps the caller's own async context visible: for commands. */
  runInside(call: HandlerCall, run: Run, message: unknown): unknown
  /** Gives the holder's context back. */
  release(holder: FrameHolder): void
  /** The call that the running code belongs to, if it is still at work. */
  current(): HandlerCall | undefined
  /** Begins to tell calls apart. */
  enable(): void
  /** Until it is enabled again. On Node 22 every storage that is in use slows down all promises of the process. */
  disable(): void
}

const FRAMES = 1024

export const createAsyncContext = (enabled: boolean): AsyncContext => {
  const hooks = enabled
    ? (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process?.getBuiltinModule?.(
        'node:async_hooks',
      )
    : undefined
  return hooks ? new HookedContext(hooks as AsyncHooks) : new SynchronousContext()
}

class SynchronousContext implements AsyncContext {
  readonly lasts = false
  #current: HandlerCall | undefined = undefined

  enter<Result>(_holder: FrameHolder, work: () => Result): Result {
    return work()
  }

  run(call: HandlerCall, run: Run, message: unknown): unknown {
    const outer = this.#current
    this.#current = call
    try {
      return run(message as never, call)
    } finally {
      this.#current = outer
    }
  }

  runInside(call: HandlerCall, run: Run, message: unknown): unknown {
    return this.run(call, run, message)
  }

  release(): void {
    // There is nothing to give back.
  }

  enable(): void {
    // It costs nothing, so it is never off.
  }

  disable(): void {
    // See enable.
  }

  current(): HandlerCall | undefined {
    return this.#current?.live ? this.#current : undefined
  }
}

class HookedContext implements AsyncContext {
  readonly lasts = true
  readonly #hooks: AsyncHooks
  readonly #storage: AsyncLocalStorage<Pick<AsyncFrame, 'holder'>>
  /** Handlers run in the async context that the bus was made in, not in that of whoever published. */
  readonly #home: <R>(callback: () => R) => R
  /** The resting frames, as a list: the first has rested longest. */
  #first: AsyncFrame | undefined = undefined
  #last: AsyncFrame | undefined = undefined
  #resting = 0

  constructor(hooks: AsyncHooks) {
    this.#hooks = hooks
    this.#storage = new hooks.AsyncLocalStorage()
    this.#home = hooks.AsyncLocalStorage.snapshot()
  }

  enter<Result>(holder: FrameHolder, work: () => Result): Result {
    return (holder.frame ?? this.#lend(holder)).resource.runInAsyncScope(work)
  }

  run(call: HandlerCall, run: Run, message: unknown): unknown {
    return (call.frame ?? this.#lend(call)).resource.runInAsyncScope(run, undefined, message, call)
  }

  runInside(call: HandlerCall, run: Run, message: unknown): unknown {
    return this.#storage.run({ holder: call }, () => run(message as never, call))
  }

  release(holder: FrameHolder): void {
    const { frame } = holder
    if (frame === undefined) return
    frame.holder = undefined
    holder.frame = undefined
    if (this.#last === undefined) this.#first = frame
    else this.#last.next = frame
    this.#last = frame
    this.#resting++
  }

  current(): HandlerCall | undefined {
    const call = this.#storage.getStore()?.holder?.holding
    return call?.live ? call : undefined
  }

  enable(): void {
    this.#storage.run({ holder: undefined }, noop)
  }

  disable(): void {
    this.#storage.disable()
  }

  #lend(holder: FrameHolder): AsyncFrame {
    let frame = this.#first
    if (frame === undefined || this.#resting < FRAMES) {
      frame = this.#make()
    } else {
      // FRAMES is more than one: there is always a last one left.
      this.#first = frame.next
      frame.next = undefined
      this.#resting--
    }
    frame.holder = holder
    holder.frame = frame
    return frame
  }

  #make(): AsyncFrame {
    return this.#home(() => {
      const store = { holder: undefined, next: undefined }
      const { AsyncResource } = this.#hooks
      const resource = this.#storage.run(store, () => new AsyncResource('buslane', { requireManualDestroy: true }))
      return Object.assign(store, { resource })
    })
  }
}
