import { existsSync, readFileSync } from 'node:fs'

/** What became of the messages of one queue. */
export interface Account {
  readonly accepted: number
  readonly refused: number
  /** Accepted, and not handled when the run ended. */
  readonly missing: number
  /** Handled more than once: how many times too often. */
  readonly duplicates: number
  /** By blow, how long it took until everything that was accepted before it was handled, in seconds. */
  readonly recovery: readonly number[]
  /** By blow, how long it took until something that was accepted after it was handled, in seconds. */
  readonly pause: readonly number[]
}

interface Run {
  readonly log: string
  readonly acceptedAt: ReadonlyMap<number, number>
  readonly refused: number
  /** When workers were killed, or the server went away. */
  readonly blowsAt: readonly number[]
  readonly endedAt: number
}

/** By number, when it was handled first, and how often. */
export const readLog = (file: string): ReadonlyMap<number, { readonly at: number; readonly times: number }> => {
  const handled = new Map<number, { at: number; times: number }>()
  if (!existsSync(file)) return handled
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue
    const [n, at] = line.split(' ').map(Number) as [number, number]
    const known = handled.get(n)
    if (known === undefined) handled.set(n, { at, times: 1 })
    else known.times++
  }
  return handled
}

export const accountOf = ({ log, acceptedAt, refused, blowsAt, endedAt }: Run): Account => {
  const handled = readLog(log)
  const recovery = blowsAt.map((blowAt) => {
    let last = blowAt
    for (const [n, at] of acceptedAt) if (at < blowAt) last = Math.max(last, handled.get(n)?.at ?? endedAt)
    return (last - blowAt) / 1000
  })
  const pause = blowsAt.map((blowAt) => {
    let first = endedAt
    for (const [n, at] of acceptedAt) if (at > blowAt) first = Math.min(first, handled.get(n)?.at ?? endedAt)
    return (first - blowAt) / 1000
  })
  let duplicates = 0
  for (const { times } of handled.values()) duplicates += times - 1
  let missing = 0
  for (const n of acceptedAt.keys()) if (!handled.has(n)) missing++
  return { accepted: acceptedAt.size, refused, missing, duplicates, recovery, pause }
}
