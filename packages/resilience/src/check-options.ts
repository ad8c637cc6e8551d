import { invalidOption } from './errors.ts'

/** What an option must be, in words, and whether it is. */
interface Rule {
  readonly what: string
  readonly fits: (value: unknown) => boolean
}

/** A number from `least` on; `Infinity` is one. */
export const number = (least: number, most: number = Infinity): Rule => ({
  what: most === Infinity ? `a number from ${least}` : `a number from ${least} to ${most}`,
  fits: (value) => typeof value === 'number' && value >= least && value <= most,
})

export const above0: Rule = {
  what: 'a number above 0',
  fits: (value) => typeof value === 'number' && value > 0,
}

export const whole = (least: number): Rule => ({
  what: `a whole number from ${least}`,
  fits: (value) => value === Infinity || (Number.isInteger(value) && (value as number) >= least),
})

export const oneOf = (...values: readonly unknown[]): Rule => ({
  what: `one of ${values.join(', ')}`,
  fits: (value) => values.includes(value),
})

export const text: Rule = { what: 'a text', fits: (value) => typeof value === 'string' }

/** What is looked at elsewhere. */
export const any: Rule = { what: 'anything', fits: () => true }

export const optionalFunction: Rule = { what: 'a function', fits: (value) => typeof value === 'function' }

/**
 * Refuses what is not as its rule says; an option that nobody has a rule for is a misspelt one.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the option's name.
 */
export const checkOptions = (where: string, options: object, rules: Readonly<Record<string, Rule>>): void => {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidOption(where, 'an object', options)
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (!rule) throw invalidOption(`${where}.${name}`, `left out: there is ${Object.keys(rules).join(', ')}`, value)
    if (value !== undefined && !rule.fits(value)) throw invalidOption(`${where}.${name}`, rule.what, value)
  }
}
