/** A store does not do what it must. The message says what was looked at, what it must be, and what it is. */
export class CheckFailedError extends Error {
  override readonly name = 'CheckFailedError'
  readonly actual: unknown
  readonly expected: unknown

  constructor(what: string, actual: unknown, expected: unknown) {
    super(`${what}: must be ${show(expected)}, is ${show(actual)}`)
    this.actual = actual
    this.expected = expected
  }
}

/** Values are equal if they have the same properties with equal values; a property that is `undefined` is like none. */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (!isEqual(actual, expected)) throw new CheckFailedError(what, actual, expected)
}

/** Fails unless the condition holds. Prefer {@link expectEqual}, which can say what is there instead. */
export function expectTrue(what: string, condition: boolean): void {
  if (!condition) throw new CheckFailedError(what, false, true)
}

/** Gives what must be there. */
export function present<Value>(what: string, value: Value | undefined): Value {
  if (value === undefined) throw new CheckFailedError(what, undefined, 'something')
  return value
}

function isEqual(actual: unknown, expected: unknown): boolean {
  if (Object.is(actual, expected)) return true
  if (!isObject(actual) || !isObject(expected) || Array.isArray(actual) !== Array.isArray(expected)) return false
  const names = new Set([...Object.keys(actual), ...Object.keys(expected)])
  if (Array.isArray(actual) && Array.isArray(expected) && actual.length !== expected.length) return false
  return [...names].every((name) => isEqual(actual[name], expected[name]))
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const SHOWN_CHARACTERS = 600

function show(value: unknown): string {
  if (value === undefined) return 'undefined'
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : inner,
  )
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}... (${text.length} characters)`
}
