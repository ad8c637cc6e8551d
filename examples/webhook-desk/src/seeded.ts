/** A number from 0 up to 1 that depends on the seed and the key alone: the same in every run, whoever asks first. */
export function seededFraction(seed: number, key: string): number {
  // FNV-1a, and then the finaliser of MurmurHash3, since keys that differ in one digit must not give near numbers.
  let hash = 0x811c9dc5
  for (const character of `${seed}:${key}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

/** The items in an order that depends on the seed alone. */
export function seededShuffle<Item>(seed: number, items: readonly Item[]): Item[] {
  return items
    .map((item, index) => ({ item, at: seededFraction(seed, `shuffle-${index}`) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
