/** What a contest found. A ratio is the median of those of the rounds, each of which has both sides. */
export interface Finding {
  readonly contest: string
  /** The ratio, or a time where there is no peer. */
  readonly figure: string
  readonly spread: string
  readonly goal: string
  readonly met: boolean
  readonly details: string
}

export const quantile = (values: readonly number[], at: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))]!
}
const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Operations a second of something that many callers do one after another, for about so long. */
export const rateOf = async (
  { callers, ms, each = 1 }: { readonly callers: number; readonly ms: number; readonly each?: number },
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

export const rateOfAll = async (count: number, operate: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now()
  await operate()
  return (count * 1000) / (performance.now() - startedAt)
}

const inThousands = (rates: readonly number[]): string =>
  `${(median(rates) / 1000).toFixed(1)}k/s (${(Math.min(...rates) / 1000).toFixed(1)} to ${(Math.max(...rates) / 1000).toFixed(1)})`

export const compare = (
  contest: string,
  goal: number,
  {
    ours,
    theirs,
    peer,
  }: { readonly ours: readonly number[]; readonly theirs: readonly number[]; readonly peer: string },
): Finding => {
  const ratios = ours.map((rate, round) => rate / theirs[round]!)
  const ratio = median(ratios)
  const lowest = Math.min(...ratios).toFixed(2)
  return {
    contest,
    figure: `${ratio.toFixed(2)} x`,
    spread: `${lowest} to ${Math.max(...ratios).toFixed(2)}`,
    goal: `>= ${goal} x`,
    met: ratio >= goal,
    details: `Buslane ${inThousands(ours)}, ${peer} ${inThousands(theirs)}`,
  }
}

/** Rounds of all sides in turn; the first warms up. */
export const interleaved = async <Side extends string>(
  rounds: number,
  sides: Readonly<Record<Side, () => Promise<number>>>,
): Promise<Record<Side, number[]>> => {
  const names = Object.keys(sides) as Side[]
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Side, number[]>
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const rate = await sides[name]()
      if (round > 0) found[name].push(rate)
    }
  }
  return found
}
