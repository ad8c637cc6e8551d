/** A promise and its ends. */
export const deferred = <T = void>(): PromiseWithResolvers<T> => Promise.withResolvers<T>()
