import { invalid, shown } from './errors.ts'

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isNumber = (value: unknown, least: number): boolean => typeof value === 'number' && value >= least
const isCount = (value: unknown, least: number): boolean =>
  value === Infinity || (isNumber(value, least) && Number.isInteger(value))

/** What an argument can have to be, in the words of the message that refuses it. */
type Wanted =
  | 'anything'
  | 'an object'
  | 'an array'
  | 'a function'
  | 'a boolean'
  | 'a string that is not empty'
  | 'an AbortSignal'
  | 'a finite number (lower runs first)'
  | 'a number of milliseconds from 0'
  | 'a number above 0'
  | 'a number from 1'
  | 'a share from 0 to 1'
  | 'a whole number from 0, or Infinity'
  | 'a whole number from 1, or Infinity'

const FITS: Readonly<Record<Wanted, (value: unknown) => boolean>> = {
  /** It is looked at elsewhere. */
  anything: () => true,
  'an object': isObject,
  'an array': Array.isArray,
  'a function': (value) => typeof value === 'function',
  'a boolean': (value) => typeof value === 'boolean',
  'a string that is not empty': (value) => typeof value === 'string' && value !== '',
  // One of another realm, or of a polyfill, is none of our AbortSignal.
  'an AbortSignal': (value) =>
    isObject(value) && 'aborted' in value && typeof (value as Partial<AbortSignal>).addEventListener === 'function',
  'a finite number (lower runs first)': Number.isFinite,
  'a number of milliseconds from 0': (value) => isNumber(value, 0),
  'a number above 0': (value) => isNumber(value, Number.MIN_VALUE),
  'a number from 1': (value) => isNumber(value, 1),
  'a share from 0 to 1': (value) => isNumber(value, 0) && (value as number) <= 1,
  'a whole number from 0, or Infinity': (value) => isCount(value, 0),
  'a whole number from 1, or Infinity': (value) => isCount(value, 1),
}

/** What an argument must be, or the values that are allowed. */
export type Kind = Wanted | readonly string[]

/** What the options of a call must be, by name. */
export type Kinds = Readonly<Record<string, Kind>>

export const TEXT = 'a string that is not empty'
export const BOOLEAN = 'a boolean'
export const FUNCTION = 'a function'
export const SIGNAL: Kinds = { signal: 'an AbortSignal' }
export const PRIORITY = 'a finite number (lower runs first)'
export const DURATION = 'a number of milliseconds from 0'

/** Options that plugins add, by the verb that takes them; `null` where a plugin does not say which are its own. */
export type AddedOptions = Readonly<Partial<Record<string, readonly string[]>>> | null

/**
 * Refuses a value that is not what it must be.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the name of the argument, what was expected, and what came.
 */
export const check = (what: string, value: unknown, kind: Kind): void => {
  if (typeof kind === 'string' ? FITS[kind](value) : kind.includes(value as string)) return
  throw invalid(`${what} must be ${typeof kind === 'string' ? kind : `one of ${kind.join(', ')}`}, not ${shown(value)}`)
}

/** As {@link check}, for each option; one that nobody knows is a misspelt one, and refused too. */
export const checkOptions = (verb: string, options: unknown, kinds: Kinds, added: AddedOptions = {}): void => {
  if (options === undefined) return
  check(`The options of ${verb}`, options, 'an object')
  // Inherited ones too: what is no plain object, such as a signal, is named by what it has.
  for (const name in options as object) {
    const value = (options as Readonly<Record<string, unknown>>)[name]
    if (Object.hasOwn(kinds, name)) {
      if (value !== undefined) check(`${verb}.${name}`, value, kinds[name]!)
    } else if (added && !added[verb]?.includes(name)) {
      const hint = added[verb] ? '. One that a plugin adds needs the plugin: createBus({ plugins })' : ''
      throw invalid(`${verb} has no option '${name}', only ${Object.keys(kinds).join(', ')}${hint}`)
    }
  }
}

/** Refuses what lacks one of the methods. */
export const checkMethods = (what: string, given: unknown, names: readonly string[]): void => {
  for (const name of names) {
    check(`${what}.${name}`, (given as Readonly<Record<string, unknown>> | null | undefined)?.[name], FUNCTION)
  }
}

/** Refuses what has none of the methods although it has something, or has one that is none. */
export const checkHooks = (what: string, given: object, names: readonly string[]): void => {
  if (typeof given !== 'function') check(what, given, 'an object')
  const own = names.filter((name) => (given as Readonly<Record<string, unknown>>)[name] !== undefined)
  checkMethods(what, given, own)
  if (own.length + Object.keys(given).length > 0 && !names.some((name) => name in given)) {
    throw invalid(`${what} has none of ${names.join(', ')}`)
  }
}
