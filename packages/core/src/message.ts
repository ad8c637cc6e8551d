import { BOOLEAN, check, checkOptions, FUNCTION, type Kinds, TEXT } from './check.ts'
import { invalid, shown } from './errors.ts'
import { messageId } from './message-id.ts'
import type { SchemaInput, SchemaOutput, StandardSchema } from './schema.ts'

/** The session of every message that names none: the bus itself. It cannot be opened or ended. */
export const BUS = 'BUS'

/** Plain JSON data that travels with a message: trace context, tenant, user. */
export type Metadata = Readonly<Record<string, unknown>>

/** What events and commands have in common: a readonly envelope that serialises to plain JSON. */
export interface Message<Payload = unknown> {
  /** Unique, and in the order of creation within one process (UUID version 7). */
  readonly id: string
  readonly type: string
  /** The version of the payload's shape; 1 unless the definition says otherwise. */
  readonly version: number
  readonly payload: Payload
  /** The session it belongs to; {@link BUS} if none. */
  readonly sessionId: string
  /** When it was made, in epoch milliseconds. */
  readonly timestamp: number
  /** The id of the message that began this conversation; its own id if it began one. */
  readonly correlationId: string
  /** The id of the message whose handler made this one. */
  readonly causationId: string | undefined
  readonly metadata: Metadata
}

/** Something that happened. Any number of handlers hear of it. */
export interface EventMessage<Payload = unknown> extends Message<Payload> {
  readonly kind: 'event'
}

declare const resultOf: unique symbol

/** Something to be done. Exactly one handler does it and gives a `Result`. */
export interface CommandMessage<Payload = unknown, Result = unknown> extends Message<Payload> {
  readonly kind: 'command'
  /** Never there at run time: it carries the type of the result to `execute`. */
  readonly [resultOf]?: Result
}

/** What may be given beside the payload when a message is made. */
export interface MessageOptions {
  readonly sessionId?: string | undefined
  readonly correlationId?: string | undefined
  readonly causationId?: string | undefined
  readonly metadata?: Metadata | undefined
}

/** What `Type.with(message, changes)` may change in the copy. */
export type MessageChanges<Payload> = MessageOptions & { readonly payload?: Payload }

type PayloadArguments<Payload> = undefined extends Payload
  ? [payload?: Payload, options?: MessageOptions]
  : [payload: Payload, options?: MessageOptions]

/** Turns a payload of version `n` into one of version `n + 1`; kept under the key `n`. */
// The payloads of old versions have no type any more: whoever writes the upcaster knows them.
// oxlint-disable-next-line no-explicit-any
export type Upcasters = Readonly<Record<number, (payload: any) => unknown>>

interface DefinitionOptions {
  /** The version of the payload's shape: a whole number from 1. Default 1. */
  readonly version?: number | undefined
  /** How to read payloads of older versions, by the version they come from. */
  readonly upcast?: Upcasters | undefined
}

/** Options of {@link defineEvent}. Plugins add theirs by declaration merging. */
export interface EventDefinitionOptions extends DefinitionOptions {
  /** Publishes of this type go through the store unless they say otherwise. Default `false`. */
  readonly durable?: boolean | undefined
  /** What becomes of a durable event whose process died after its handlers had begun. Default `retry`. */
  readonly onCrash?: 'retry' | 'fail' | undefined
  /** The event tells of a failure: handlers of it that fail announce nothing further (R-ERR-3). Default `false`. */
  readonly failureEvent?: boolean | undefined
}

/** Options of {@link defineCommand}. Plugins add theirs by declaration merging. */
export interface CommandDefinitionOptions extends DefinitionOptions {
  /** What becomes of a stored command whose process died after its handler had begun. Default `retry`. */
  readonly onCrash?: 'retry' | 'fail' | undefined
}

interface Definition {
  readonly version: number
  readonly type: string
  readonly schema: StandardSchema | undefined
  /** Whether the type is one of Buslane's own, `buslane.…`: filters, middleware and patterns pass it over. */
  readonly system: boolean
  /** Whether nothing has to be looked at when one is published: no schema, not durable, not a system event. */
  readonly plain: boolean
}

/** The importable key of one type of event, and the function that makes such events. */
export interface EventDefinition<
  Input = unknown,
  Output = Input,
  Durable extends boolean = boolean,
> extends Definition {
  (...args: PayloadArguments<Input>): EventMessage<Input>
  readonly kind: 'event'
  readonly durable: Durable
  readonly options: EventDefinitionOptions
  /** A copy of `message` with the changes; the id stays. */
  with(message: EventMessage<Input>, changes: MessageChanges<Input>): EventMessage<Input>
  /** Never there at run time: the payload that handlers get. */
  readonly output?: Output
}

/** The importable key of one type of command, and the function that makes such commands. */
export interface CommandDefinition<Input = unknown, Result = unknown, Output = Input> extends Definition {
  (...args: PayloadArguments<Input>): CommandMessage<Input, Result>
  readonly kind: 'command'
  readonly resultSchema: StandardSchema | undefined
  readonly options: CommandDefinitionOptions
  /** A copy of `message` with the changes; the id stays. */
  with(message: CommandMessage<Input, Result>, changes: MessageChanges<Input>): CommandMessage<Input, Result>
  /** Never there at run time: the payload that the handler gets. */
  readonly output?: Output
}

/** A definition of either kind, whatever its payload. */
export type AnyDefinition = Definition & {
  readonly kind: 'event' | 'command'
  readonly durable?: boolean
  readonly options: EventDefinitionOptions & CommandDefinitionOptions
  readonly resultSchema?: StandardSchema | undefined
}

const EMPTY: Metadata = Object.freeze({})

type Fields = Omit<Message, 'correlationId'> & {
  readonly kind: 'event' | 'command'
  readonly correlationId: string | undefined
}

/** One shape for every message, so that the dispatcher's property reads stay monomorphic. */
class Envelope {
  declare readonly kind: 'event' | 'command'
  declare readonly id: string
  declare readonly type: string
  declare readonly version: number
  declare readonly payload: unknown
  declare readonly sessionId: string
  declare readonly timestamp: number
  declare readonly correlationId: string
  declare readonly causationId: string | undefined
  declare readonly metadata: Metadata
  readonly #definition: AnyDefinition | undefined

  constructor(fields: Fields, definition: AnyDefinition | undefined) {
    this.kind = fields.kind
    this.id = fields.id
    this.type = fields.type
    this.version = fields.version
    this.payload = fields.payload
    this.sessionId = fields.sessionId
    this.timestamp = fields.timestamp
    this.correlationId = fields.correlationId ?? fields.id
    this.causationId = fields.causationId
    this.metadata = fields.metadata
    this.#definition = definition
  }

  static definitionOf(message: object): AnyDefinition | undefined {
    return #definition in message ? message.#definition : undefined
  }
}

/** The definition that made `message`; `undefined` for one that was read from JSON or made by another copy of core. */
export const definitionOf = (message: object): AnyDefinition | undefined => Envelope.definitionOf(message)

/** A copy of `message` with changes and, if it is given, another version. */
export const copyMessage = <M extends Message>(
  message: M,
  changes: MessageChanges<unknown>,
  version: number = message.version,
): M => {
  const { kind } = message as M & Pick<Fields, 'kind'>
  const fields: Fields = {
    kind,
    id: message.id,
    type: message.type,
    version,
    payload: 'payload' in changes ? changes.payload : message.payload,
    sessionId: changes.sessionId ?? message.sessionId,
    timestamp: message.timestamp,
    correlationId: changes.correlationId ?? message.correlationId,
    causationId: changes.causationId ?? message.causationId,
    metadata: changes.metadata ?? message.metadata,
  }
  return new Envelope(fields, definitionOf(message)) as unknown as M
}

/** The message that was stored with these fields. */
export const restoreMessage = (
  fields: Fields,
  definition: AnyDefinition,
): Message & { readonly kind: 'event' | 'command' } => new Envelope(fields, definition)

/** Databases refuse NUL and half of a surrogate pair. */
const TYPE = /^[^\s.*\p{Cc}\p{Cs}]+(\.[^\s.*\p{Cc}\p{Cs}]+)*$/u
/** The largest integer of a database. */
const MAX_VERSION = 2 ** 31 - 1

const MESSAGE: Kinds = { sessionId: TEXT, correlationId: TEXT, causationId: TEXT, metadata: 'an object' }
const CHANGES: Kinds = { ...MESSAGE, payload: 'anything' }
const DEFINITION: Kinds = {
  upcast: 'an object',
  durable: BOOLEAN,
  onCrash: ['retry', 'fail'],
  failureEvent: BOOLEAN,
}

const checkDefinition = (type: string, options: Record<string, unknown>): void => {
  // A definition is of no bus, so nobody knows here what plugins add.
  checkOptions(`the definition of '${type}'`, options, DEFINITION, null)
  for (const name of ['schema', 'resultSchema']) {
    const schema = options[name] as StandardSchema | null | undefined
    if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') {
      throw invalid(`The ${name} of '${type}' must follow Standard Schema v1 (it needs '~standard'.validate)`)
    }
  }
  for (const [from, upcast] of Object.entries(options['upcast'] ?? {})) {
    if (!Number.isInteger(+from)) throw invalid(`The upcasts of '${type}' must go by version, not by '${from}'`)
    check(`The upcast of '${type}' from version ${from}`, upcast, FUNCTION)
  }
}

const define = (kind: 'event' | 'command', type: string, options: Record<string, unknown>): unknown => {
  if (typeof type !== 'string' || !TYPE.test(type)) {
    throw invalid(
      `The type of a definition must be dot-separated words without spaces, control characters or '*', not ${shown(type)}`,
    )
  }
  checkDefinition(type, options)
  const { version = 1 } = options
  if (!Number.isInteger(version) || (version as number) < 1 || (version as number) > MAX_VERSION) {
    throw invalid(`The version of '${type}' must be a whole number from 1 to ${MAX_VERSION}, not ${shown(version)}`)
  }
  const definition = Object.assign(
    (payload: unknown, given?: MessageOptions) => {
      if (given !== undefined) checkOptions(`'${type}'`, given, MESSAGE)
      const timestamp = Date.now()
      const fields: Fields = {
        kind,
        id: messageId(timestamp),
        type,
        version: definition.version,
        payload,
        sessionId: given?.sessionId ?? BUS,
        timestamp,
        correlationId: given?.correlationId,
        causationId: given?.causationId,
        metadata: given?.metadata ?? EMPTY,
      }
      return new Envelope(fields, definition)
    },
    {
      kind,
      type,
      version: version as number,
      system: type.startsWith('buslane.'),
      plain: !type.startsWith('buslane.') && options['schema'] === undefined && options['durable'] !== true,
      schema: options['schema'] as StandardSchema | undefined,
      resultSchema: options['resultSchema'] as StandardSchema | undefined,
      durable: options['durable'] === true,
      options,
      with: (message: Message, changes: MessageChanges<unknown>) => {
        if (typeof message !== 'object' || message?.type !== type) {
          throw invalid(`with() of '${type}' copies messages of that type, not ${shown(message)}`)
        }
        check('The changes of with()', changes, 'an object')
        checkOptions('with()', changes, CHANGES)
        return copyMessage(message, changes)
      },
    },
  )
  return definition
}

/**
 * Defines a type of event: the key to publish and to listen with, and the function that makes its messages.
 *
 * The payload's type is given as a type argument, or inferred from `schema` (any Standard Schema v1). With a schema the
 * creator takes the schema's input and handlers get its output; it is parsed when published.
 *
 * @throws {BusError} `INVALID_ARGUMENT` for a type that is not dot-separated words, has control characters or half of a surrogate pair,
 * or a version that is not a whole number from 1 to 2,147,483,647.
 * @example
 * const OrderPlaced = defineEvent<{ orderId: string }>('order.placed')
 * OrderPlaced({ orderId: '1' }).payload.orderId // => '1'
 */
export function defineEvent<Schema extends StandardSchema>(
  type: string,
  options: EventDefinitionOptions & { readonly schema: Schema; readonly durable: true },
): EventDefinition<SchemaInput<Schema>, SchemaOutput<Schema>, true>
export function defineEvent<Schema extends StandardSchema>(
  type: string,
  options: EventDefinitionOptions & { readonly schema: Schema; readonly durable?: false | undefined },
): EventDefinition<SchemaInput<Schema>, SchemaOutput<Schema>, false>
export function defineEvent<Payload = undefined>(
  type: string,
  options: EventDefinitionOptions & { readonly schema?: undefined; readonly durable: true },
): EventDefinition<Payload, Payload, true>
export function defineEvent<Payload = undefined>(
  type: string,
  options?: EventDefinitionOptions & { readonly schema?: undefined; readonly durable?: false | undefined },
): EventDefinition<Payload, Payload, false>
export function defineEvent(type: string, options: object = {}): unknown {
  return define('event', type, options as Record<string, unknown>)
}

/**
 * Defines a type of command: exactly one handler does it and gives a typed result.
 *
 * Payload and result are given as type arguments, or inferred from `schema` and `resultSchema`; `type<T>()` is a result
 * schema that checks nothing.
 *
 * @throws {BusError} `INVALID_ARGUMENT` as {@link defineEvent}.
 * @example
 * const PlaceOrder = defineCommand<{ sku: string }, { orderId: string }>('order.place')
 * PlaceOrder({ sku: 'a' }).kind // => 'command'
 */
export function defineCommand<Schema extends StandardSchema, ResultSchema extends StandardSchema>(
  type: string,
  options: CommandDefinitionOptions & { readonly schema: Schema; readonly resultSchema: ResultSchema },
): CommandDefinition<SchemaInput<Schema>, SchemaOutput<ResultSchema>, SchemaOutput<Schema>>
export function defineCommand<Schema extends StandardSchema>(
  type: string,
  options: CommandDefinitionOptions & { readonly schema: Schema; readonly resultSchema?: undefined },
): CommandDefinition<SchemaInput<Schema>, void, SchemaOutput<Schema>>
export function defineCommand<ResultSchema extends StandardSchema>(
  type: string,
  options: CommandDefinitionOptions & { readonly schema?: undefined; readonly resultSchema: ResultSchema },
): CommandDefinition<undefined, SchemaOutput<ResultSchema>>
export function defineCommand<Payload = undefined, Result = void>(
  type: string,
  options?: CommandDefinitionOptions & { readonly schema?: undefined; readonly resultSchema?: undefined },
): CommandDefinition<Payload, Result>
export function defineCommand(type: string, options: object = {}): unknown {
  return define('command', type, options as Record<string, unknown>)
}
