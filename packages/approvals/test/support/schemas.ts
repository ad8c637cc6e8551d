import type { StandardSchema } from '@buslane/core'

// Hand-written Standard Schema v1: what must work, without any schema library.

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
