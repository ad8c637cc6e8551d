import { describe } from '../errors.ts'
import type { StoredError } from '../persistence.ts'

const MAX_TEXT = 4000
const MAX_CAUSES = 5

/** Any thrown value as plain data: long texts are cut at 4,000 characters, causes after five. Never throws. */
export const storedError = (thrown: unknown, failedAt: number, depth = 0): StoredError => {
  const read = (property: 'name' | 'message' | 'stack' | 'code'): unknown => {
    try {
      return (thrown as Record<string, unknown>)[property]
    } catch {
      return undefined
    }
  }
  try {
    if (!(thrown instanceof Error)) return { name: typeof thrown, message: cut(textOf(thrown)), failedAt }
    const { cause } = thrown
    const code = read('code')
    const stack = read('stack')
    return {
      name: cut(textOf(read('name') ?? 'Error')),
      message: cut(textOf(read('message') ?? '')),
      failedAt,
      ...(typeof code === 'string' && { code: cut(code) }),
      ...(typeof stack === 'string' && { stack: cut(stack) }),
      ...(cause !== undefined && depth < MAX_CAUSES && { cause: storedError(cause, failedAt, depth + 1) }),
    }
  } catch {
    return { name: 'unknown', message: 'a value that cannot be read', failedAt }
  }
}

const textOf = (value: unknown): string => {
  try {
    const json = typeof value === 'object' && value !== null ? (JSON.stringify(value) as string | undefined) : undefined
    return json ?? describe(value)
  } catch {
    return describe(value)
  }
}

/** Databases refuse NUL characters and halves of surrogate pairs in texts. */
const cut = (text: string): string => {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text
  return short.replaceAll('\0', '␀').toWellFormed()
}
