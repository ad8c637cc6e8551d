/** What a promise rejects with, so that it can be looked at later without being unhandled until then. */
export const failureOf = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => 'it did not fail',
    (error: unknown) => error,
  )
