import type { Progress, StoredError } from '@buslane/core'

/** When something first went wrong with an event: the earliest time of any of its errors, in epoch milliseconds. */
export const firstFailure = (progress: Progress, error: StoredError | undefined): number | undefined => {
  const times = Object.values(progress).flatMap(({ errors }) => (errors ?? []).map(({ failedAt }) => failedAt))
  if (error) times.push(error.failedAt)
  return times.length > 0 ? Math.floor(Math.min(...times)) : undefined
}
