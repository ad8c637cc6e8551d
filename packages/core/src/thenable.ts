/** Whether a returned value must be waited for. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof (value as { then?: unknown }).then === 'function'

/** As `await` does: calls back once, and later, also where a promise has a `then` of its own. */
export const settled = <T, A, B>(
  value: PromiseLike<T>,
  onFulfilled: (value: T) => A,
  onRejected?: (error: unknown) => B,
): Promise<Awaited<A | B>> =>
  Promise.prototype.then.call(Promise.resolve(value), onFulfilled as never, onRejected) as Promise<Awaited<A | B>>

export const noop = (): void => {}
