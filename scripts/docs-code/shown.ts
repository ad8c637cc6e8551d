/** Loaded by every block that runs: `expression // => value` becomes a call of `shown`. */
import { inspect, isDeepStrictEqual } from 'node:util'

const awaited = new Set<string>()

/** The examples show what a user sees: not the class of a value, and not properties that are undefined. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Error || value instanceof Date) return value
  if (value instanceof Map || value instanceof Set) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, property]) => property !== undefined)
      .map(([name, property]) => [name, plain(property)]),
  )
}

export function shown(actual: unknown, expected: unknown, where: string): void {
  awaited.delete(where)
  if (isDeepStrictEqual(actual, expected) || isDeepStrictEqual(plain(actual), plain(expected))) return
  console.error(`${where}: shows ${inspect(expected)}, is ${inspect(actual, { depth: 5 })}`)
  process.exitCode = 1
}

/** Names the values a block shows, so that one that is never reached fails too. */
export function expectShown(places: readonly string[]): void {
  for (const place of places) awaited.add(place)
  process.on('exit', () => {
    for (const place of awaited) console.error(`${place}: never reached`)
    if (awaited.size > 0) process.exitCode = 1
  })
}
