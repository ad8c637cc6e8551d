import { BusError, describe, invalid, shown } from './errors.ts'
import { type AnyDefinition, copyMessage, defineCommand, defineEvent, definitionOf, type Message } from './message.ts'
import { parse } from './schema.ts'
import { isThenable, settled } from './thenable.ts'

/** The definitions that one bus has met: a type means one thing on a bus. */
export class Definitions {
  readonly #known = new Map<string, AnyDefinition>()
  /** Of the last message: the next is often of the same type. */
  last: AnyDefinition | undefined

  get(type: string): AnyDefinition | undefined {
    return this.#known.get(type)
  }

  all(): Iterable<AnyDefinition> {
    return this.#known.values()
  }

  /** @throws {BusError} `INVALID_ARGUMENT`, `TYPE_CONFLICT` */
  learn(definition: unknown, kind: 'event' | 'command'): AnyDefinition {
    const given = definition as AnyDefinition
    if (typeof definition !== 'function' || given.kind !== kind || typeof given.type !== 'string') {
      throw invalid(`Expected what define${kind === 'event' ? 'Event' : 'Command'}() returns, not ${nameOf(given)}`)
    }
    const known = this.#known.get(given.type)
    if (known === undefined) this.#known.set(given.type, given)
    else if (known !== given) throw conflict(given.type)
    return given
  }

  /**
   * The definition of a message. One that was read from JSON, or made by another copy of core, has that of its type here.
   *
   * @throws {BusError} `INVALID_ARGUMENT`, `TYPE_CONFLICT`
   */
  of(message: Message & { readonly kind: 'event' | 'command' }, kind: 'event' | 'command'): AnyDefinition {
    if (typeof message !== 'object' || message === null || message.kind !== kind) {
      throw invalid(
        typeof message === 'function'
          ? `Expected ${kind === 'event' ? 'an event' : 'a command'}, got its definition: call it to make one`
          : `Expected ${kind === 'event' ? 'an event' : 'a command'}, not ${nameOf(message)}`,
      )
    }
    const own = definitionOf(message)
    if (own !== undefined && own === this.last) return own
    const known = this.#known.get(message.type)
    if (own !== undefined && own === known) return (this.last = own)
    if (own === undefined) {
      const { id, sessionId } = message
      if (typeof id !== 'string' || typeof sessionId !== 'string') {
        throw invalid(
          `A message needs an id and a sessionId; '${describe(message.type)}' lacks one. Make it with its definition`,
        )
      }
      return known ?? (kind === 'event' ? defineEvent(message.type) : defineCommand(message.type))
    }
    if (known !== undefined) throw conflict(message.type)
    this.#known.set(message.type, own)
    return own
  }
}

const conflict = (type: string): BusError =>
  new BusError(
    'TYPE_CONFLICT',
    `Two different definitions of '${type}' meet on one bus. Define it once, and import it where it is used`,
  )

/**
 * The message as handlers get it: its payload upcast to the definition's version and parsed by its schema. A promise only
 * if the schema gives one.
 *
 * @throws {BusError} `INVALID_PAYLOAD`, `UNKNOWN_VERSION`
 */
export const decode = <M extends Message>(message: M, definition: AnyDefinition): M | Promise<M> => {
  const { schema, version, options } = definition
  let { payload } = message
  for (let from = message.version; from !== version; from++) {
    const upcast = options.upcast?.[from]
    if (from > version || !upcast) {
      throw new BusError(
        'UNKNOWN_VERSION',
        `'${message.type}' has version ${message.version}, the definition has ${version}` +
          (from > version ? '. Deploy the newer definition' : ` and no upcast from ${from}. Add one`),
      )
    }
    try {
      payload = upcast(payload)
    } catch (cause) {
      throw new BusError('INVALID_PAYLOAD', `The upcast of '${message.type}' from version ${from} threw`, { cause })
    }
  }
  const build = (parsed: unknown): M =>
    parsed === message.payload && version === message.version
      ? message
      : copyMessage(message, { payload: parsed }, version)
  if (!schema) return build(payload)
  const parsed = parse(schema, payload, 'INVALID_PAYLOAD', () => `The payload of '${message.type}'`)
  return isThenable(parsed) ? settled(parsed, build) : build(parsed)
}

const nameOf = (message: { readonly kind?: unknown; readonly type?: unknown } | null | undefined): string =>
  typeof message?.kind === 'string' ? `the ${message.kind} '${String(message.type)}'` : shown(message)
