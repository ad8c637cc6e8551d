/**
 * Named handler and event priorities. **Lower runs first.** Any finite number is allowed, so there is room between
 * the names: `HandlerPriority.HIGH + 1` runs right after `HIGH`.
 *
 * @example
 * HandlerPriority.HIGHEST < HandlerPriority.LOWEST // => true
 */
export const HandlerPriority = { HIGHEST: 0, HIGH: 10, NORMAL: 50, LOW: 90, LOWEST: 100 } as const

/** The key of `Map`s and sorts that order by priority: a stable sort keeps registration order within one priority. */
export const byPriority = (a: { readonly priority: number }, b: { readonly priority: number }): number =>
  a.priority - b.priority
