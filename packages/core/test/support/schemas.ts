import type { StandardSchema } from '../../src/index.ts'

// Hand-written Standard Schema v1: what core must get along with, without any schema library.

/** Takes digits, gives the number. */
export const digits: StandardSchema<string, number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      /^\d+$/.test(String(value))
        ? { value: Number(value) }
        : { issues: [{ message: 'not digits', path: ['amount', { key: 'cents' }] }] },
  },
}

/** The same schema, answering when `until` resolves. */
export const later = <Input, Output>(
  schema: StandardSchema<Input, Output>,
  until: Promise<unknown> = Promise.resolve(),
): StandardSchema<Input, Output> => ({
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) => {
      await until
      return schema['~standard'].validate(value)
    },
  },
})

/** Lets everything pass. */
export const anything = <Value>(): StandardSchema<Value, Value> => ({
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Value }) },
})
