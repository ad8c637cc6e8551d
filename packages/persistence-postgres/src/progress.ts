import type { Progress, StoredError } from '@buslane/core'

// What people are shown of a row that somebody has damaged: a list must not fail for one of its entries.

/** What became of each handler; nothing if it cannot be read. */
export const progressOf = (text: string | null): Progress => {
  const progress = text === null ? {} : parsed(text)
  return isRecord(progress) ? (progress as Progress) : {}
}

/** The error as it was kept; one that says so if it cannot be read. */
export const errorOf = (text: string | null): StoredError | undefined => {
  if (text === null) return undefined
  const error = parsed(text)
  return isRecord(error) ? (error as StoredError) : { name: 'unreadable', message: text.slice(0, 4000), failedAt: 0 }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
