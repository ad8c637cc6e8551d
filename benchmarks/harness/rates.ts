interface Load {
  /** So many callers, each of which does one thing after another. */
  readonly callers: number
  readonly ms: number
  /** How many operations one call counts for. Default 1. */
  readonly each?: number | undefined
}

/** Operations a second, for about so long. */
export const rateOf = async (
  { callers, ms, each = 1 }: Load,
  operate: (n: number) => Promise<unknown>,
): Promise<number> => {
  const startedAt = performance.now()
  let n = 0
  const caller = async (): Promise<void> => {
    while (performance.now() - startedAt < ms) await operate(n++)
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (n * each * 1000) / (performance.now() - startedAt)
}

/** Operations a second of a known number of them. */
export const rateOfAll = async (count: number, operate: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now()
  await operate()
  return (count * 1000) / (performance.now() - startedAt)
}

/** Rounds of all sides in turn; the first warms up, unless it is the only one. */
export const ratesInTurn = async <Side extends string>(
  rounds: number,
  sides: Readonly<Record<Side, () => Promise<number>>>,
): Promise<Record<Side, number[]>> => {
  const names = Object.keys(sides) as Side[]
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Side, number[]>
  const warmUps = rounds > 1 ? 1 : 0
  for (let round = 0; round < rounds + warmUps; round++) {
    for (const name of names) {
      const rate = await sides[name]()
      if (round >= warmUps) found[name].push(rate)
    }
    names.reverse()
  }
  return found
}
