const RealDate = Date

/** Sets the clock of the process so far ahead; 0 puts it right. */
export function skewDate(ms: number): void {
  globalThis.Date = ms === 0 ? RealDate : dateAhead(ms)
}

function dateAhead(ms: number): DateConstructor {
  return new Proxy(RealDate, {
    construct: (target, given) => Reflect.construct(target, given.length === 0 ? [target.now() + ms] : given) as Date,
    get: (target, name) => (name === 'now' ? () => target.now() + ms : (Reflect.get(target, name) as unknown)),
  })
}
