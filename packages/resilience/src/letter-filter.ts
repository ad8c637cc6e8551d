import type { DeadReason } from '@buslane/core'
import { checkOptions, text, whole } from './check-options.ts'
import { invalidOption } from './errors.ts'

/** A type, by its name or by its definition. */
export type TypeKey = string | { readonly type: string }

/** Which dead letters. What is left out says nothing. */
export interface DeadLetterFilter<Type extends TypeKey = TypeKey> {
  /** A definition gives the letters the type of its payload. */
  readonly type?: Type | undefined
  readonly reason?: DeadReason | undefined
  readonly session?: string | undefined
  /** Given up at or after, and before: epoch milliseconds. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** How many on a page: up to 1,000. Default 100. */
  readonly limit?: number | undefined
}

export const nameOf = (type: TypeKey | undefined): string | undefined =>
  typeof type === 'string' || type === undefined ? type : type.type

const time = { what: 'epoch milliseconds', fits: (value: unknown) => typeof value === 'number' && !Number.isNaN(value) }
const RULES = {
  type: {
    what: 'a definition, or the name of a type',
    fits: (value: unknown) => value !== null && typeof nameOf(value as TypeKey) === 'string',
  },
  reason: text,
  session: text,
  since: time,
  until: time,
  limit: whole(1),
}

/** @throws {BusError} `INVALID_ARGUMENT` with the property's name. */
export const checkFilter = (filter: DeadLetterFilter): void => checkOptions('filter', filter, RULES)

/**
 * For what moves every letter that fits: a filter that was forgotten, or of which a value is missing, must not move all of them.
 *
 * @throws {BusError} `INVALID_ARGUMENT` with the property's name.
 */
export const requireFilter = (verb: 'replay' | 'discard', filter: DeadLetterFilter): void => {
  const all = `; to ${verb} all letters, say so with {}`
  if (typeof filter !== 'object' || filter === null)
    throw invalidOption('filter', `the key of a letter, or an object${all}`, filter)
  checkFilter(filter)
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined) throw invalidOption(`filter.${name}`, `left out, or have a value${all}`, value)
  }
}
