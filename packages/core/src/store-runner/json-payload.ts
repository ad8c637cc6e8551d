import { BusError, describe } from '../errors.ts'

/**
 * The text of a value that survives as JSON: what is read back is equal to what was given. Properties that are `undefined`
 * are left out; `undefined` itself is the empty text. Everything that JSON would change or lose is refused with its path:
 * `Date`, `bigint`, `Map`, instances of classes, functions, symbols, holes, `NaN`, infinities and cycles.
 *
 * @throws {BusError} `INVALID_PAYLOAD`
 */
export const toJson = (value: unknown, what: string): string => {
  if (value === undefined) return ''
  try {
    const text = JSON.stringify(value)
    if (survives(value)) return text
    check(value, [], new Set(), what)
    return text
  } catch (error) {
    if (error instanceof BusError) throw error
    try {
      check(value, [], new Set(), what)
    } catch (found) {
      if (found instanceof BusError) throw found
    }
    const why = error instanceof RangeError ? 'it is nested too deeply' : describe(error)
    throw new BusError('INVALID_PAYLOAD', `${what} cannot be stored as JSON: ${why}`, { cause: error })
  }
}

export const fromJson = (text: string): unknown => (text === '' ? undefined : JSON.parse(text))

/** The usual case, without the paths that {@link check} keeps to say what is wrong. Not for what has a cycle. */
const survives = (value: unknown): boolean => {
  if (typeof value === 'string' || value === null || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (!survives(value[index])) return false
    return true
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return false
  for (const key of Object.keys(value)) {
    const own = (value as Record<string, unknown>)[key]
    if (own !== undefined && !survives(own)) return false
  }
  return true
}

const check = (value: unknown, path: string[], above: Set<object>, what: string): void => {
  const refuse = (found: string): never => {
    const at = path.length > 0 ? `at '${path.join('.')}'` : 'as a whole'
    throw new BusError(
      'INVALID_PAYLOAD',
      `${what} has ${found} ${at}, which would not survive as JSON. Send plain data, or give the store a codec`,
    )
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(String(value))
    return
  }
  if (typeof value !== 'object') refuse(value === undefined ? 'undefined' : `a ${typeof value}`)
  const object = value as object
  if (above.has(object)) refuse('a cycle')
  above.add(object)
  if (Array.isArray(object)) {
    for (let index = 0; index < object.length; index++) within(object[index], String(index))
  } else {
    const prototype: unknown = Object.getPrototypeOf(object)
    // The prototype of plain objects of another realm has none itself either.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) refuse(`a ${nameOf(object)}`)
    if (typeof (object as { toJSON?: unknown }).toJSON === 'function') refuse('an object with toJSON()')
    for (const [key, own] of Object.entries(object)) if (own !== undefined) within(own, key)
  }
  above.delete(object)

  function within(inner: unknown, key: string): void {
    path.push(key)
    check(inner, path, above, what)
    path.pop()
  }
}

const nameOf = (object: object): string => {
  const { constructor } = object
  return (typeof constructor === 'function' && constructor.name) || 'class instance'
}
