const RealDate = Date

/**
 * Steps the wall clock of this process: from now on it is so many milliseconds ahead of the right one; 0 puts it right. For stores
 * whose clock is not the process's; where a `Clock` can be given, `VirtualClock.stepWall` does it.
 */
export function skewWallClock(ms: number): void {
  globalThis.Date = ms === 0 ? RealDate : dateAhead(ms)
}

function dateAhead(ms: number): DateConstructor {
  return new Proxy(RealDate, {
    construct: (target, given) => Reflect.construct(target, given.length === 0 ? [target.now() + ms] : given) as Date,
    get: (target, name) => (name === 'now' ? () => target.now() + ms : (Reflect.get(target, name) as unknown)),
  })
}
