import { nextTurn } from './clock.ts'
import { noop } from './thenable.ts'

/** A {@link Watched} promise and its ends. */
export interface WatchedEnds<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (error: unknown) => void
}

/**
 * A promise that never becomes an unhandled rejection: if it is refused and nobody has asked for it by the next turn of
 * the event loop, `onUnheard` is told instead (R-ERR-5). Whoever awaits it gets the error as ever.
 */
export class Watched<Value> extends Promise<Value> {
  #heard = false

  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  static make<Value>(onUnheard: (error: unknown) => void): WatchedEnds<Value> {
    let resolve!: (value: Value) => void
    let rejectNow!: (error: unknown) => void
    const promise = new Watched<Value>((onResolve, onReject) => {
      resolve = onResolve
      rejectNow = onReject
    })
    let rejected = false
    const reject = (error: unknown): void => {
      if (rejected) return
      rejected = true
      void super.prototype.then.call(promise, undefined, noop)
      rejectNow(error)
      nextTurn(() => {
        if (!promise.#heard) onUnheard(error)
      })
    }
    return { promise, resolve, reject }
  }

  static refused<Value>(error: unknown, onUnheard: (error: unknown) => void): Promise<Value> {
    const { promise, reject } = Watched.make<Value>(onUnheard)
    reject(error)
    return promise
  }

  static of<Value>(work: PromiseLike<Value>, onUnheard: (error: unknown) => void): Promise<Value> {
    const { promise, resolve, reject } = Watched.make<Value>(onUnheard)
    work.then(resolve, reject)
    return promise
  }

  // oxlint-disable-next-line no-thenable -- this is a promise
  override then<A = Value, B = never>(
    onFulfilled?: ((value: Value) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#heard = true
    return super.then(onFulfilled, onRejected)
  }
}
