import { BusError, describe, InvalidPayloadError, shown } from './errors.ts'
import { isThenable, settled } from './thenable.ts'

// Standard Schema v1, https://standardschema.dev: declared here, so that core needs no package for it.

/** One problem that a schema found. */
export interface StandardIssue {
  readonly message: string
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

/** What a schema answers: the parsed value, or the issues. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

/** Any schema that follows Standard Schema v1: Zod, Valibot, ArkType and others. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** What goes into a schema. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['input']
/** What comes out of a schema. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output']

/**
 * A schema that checks nothing and only carries a type: for a result, or a payload, that needs no validation.
 *
 * @example
 * const PlaceOrder = defineCommand('order.place', { resultSchema: type<{ orderId: string }>() })
 * PlaceOrder.type // => 'order.place'
 */
export const type = <Type>(): StandardSchema<Type, Type> => ({
  '~standard': { version: 1, vendor: 'buslane', validate: (value) => ({ value: value as Type }) },
})

/** Runs `value` through `schema`, synchronously if the schema is; throws or rejects with {@link InvalidPayloadError}. */
export const parse = (
  schema: StandardSchema,
  value: unknown,
  code: 'INVALID_PAYLOAD' | 'INVALID_RESULT',
  what: () => string,
): unknown => {
  const read = (result: StandardResult<unknown>): unknown => {
    if (Array.isArray(result?.issues)) throw new InvalidPayloadError(code, what(), result.issues)
    if (typeof result === 'object' && result !== null && !result.issues && 'value' in result) return result.value
    throw new BusError(
      code,
      `${what()} could not be checked: its schema must answer { value } or { issues: [...] }, not ${shown(result)}`,
    )
  }
  const fail = (cause: unknown): never => {
    throw new BusError(code, `The schema threw: ${what()} could not be checked (${describe(cause)})`, { cause })
  }
  let result: StandardResult<unknown> | Promise<StandardResult<unknown>>
  try {
    result = schema['~standard'].validate(value)
  } catch (cause) {
    return fail(cause)
  }
  return isThenable(result) ? settled(result, read, fail) : read(result)
}
