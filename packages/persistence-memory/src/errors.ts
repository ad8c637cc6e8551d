import { BusError } from '@buslane/core'

export const invalidArgument = (message: string): BusError =>
  new BusError('INVALID_ARGUMENT', message, { retryable: false })

export const leaseLost = (key: string): BusError =>
  new BusError('LEASE_LOST', `Event ${key} was given to another worker before the transaction was committed`, {
    retryable: false,
  })

export const transactionLost = (): BusError =>
  new BusError('PERSISTENCE_UNAVAILABLE', 'The store was restored while the transaction was open', { retryable: true })

/** Refuses what is no object, or has a name that is none of these: a misspelt one. */
export const checkNames = (where: string, options: object, names: readonly string[]): void => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument(`${where} must be an object, not ${textOf(options)}`)
  }
  const strange = Object.keys(options).find((name) => !names.includes(name))
  if (strange !== undefined) throw invalidArgument(`${where} has no option '${strange}', only ${names.join(', ')}`)
}

export const checkMethods = (what: string, given: unknown, methods: readonly string[]): void => {
  for (const method of methods) {
    const found: unknown = (given as Readonly<Record<string, unknown>> | null | undefined)?.[method]
    if (typeof found !== 'function') throw invalidArgument(`${what}.${method} must be a function, not ${textOf(found)}`)
  }
}

/** What it is, and nothing of what is inside. */
export const textOf = (given: unknown): string => {
  if (typeof given === 'string') return `'${given}'`
  if (typeof given === 'function') return 'a function'
  return typeof given === 'object' && given !== null ? 'an object' : String(given)
}
