import type { Curve, Duel } from './section.ts'

/** The smallest value that at least a share `at` of the others does not exceed. */
export const quantile = (values: readonly number[], at: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(sorted.length * at) - 1))]
  if (value === undefined) throw new Error('There is no quantile of nothing')
  return value
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** A median with the lowest and highest value beside it. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  lowest: Math.min(...values),
  highest: Math.max(...values),
})

/** How many times as fast ours is, by round: above 1 it is faster. */
export const ratiosOf = ({ unit, ours, theirs }: Pick<Duel, 'unit' | 'ours' | 'theirs'>): readonly number[] =>
  ours.map((value, round) => (unit === 'ns' ? theirs[round]! / value : value / theirs[round]!))

/** The cost at the largest size divided by that at the smallest. */
export const growthOf = ({ points }: Pick<Curve, 'points'>): number =>
  median(points.at(-1)!.values) / median(points[0]!.values)
