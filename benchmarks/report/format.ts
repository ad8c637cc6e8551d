import type { Result, Unit } from '../harness/section.ts'
import { growthOf, ratiosOf, type Spread, spreadOf } from '../harness/statistics.ts'

const digits = (value: number): string => {
  const size = Math.abs(value)
  const places = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return value.toLocaleString('en', { minimumFractionDigits: places, maximumFractionDigits: places })
}

const inUnit: Readonly<Record<Unit, (value: number) => string>> = {
  ns: (value) => (value >= 10_000 ? `${digits(value / 1000)} µs` : `${digits(value)} ns`),
  'per second': (value) => (value >= 10_000 ? `${digits(value / 1000)}k/s` : `${digits(value)}/s`),
  ms: (value) => `${digits(value)} ms`,
  s: (value) => `${digits(value)} s`,
  bytes: (value) => (value >= 10_000 ? `${digits(value / 1000)} kB` : `${digits(value)} B`),
  count: digits,
  times: (value) => `${digits(value)} x`,
}

const quantity = (value: number, unit: Unit): string => inUnit[unit](value)

const spreadText = ({ lowest, highest }: Spread, unit: Unit): string =>
  lowest === highest ? '' : `${quantity(lowest, unit)} to ${quantity(highest, unit)}`

/** A result as the tables show it. */
export interface Row {
  readonly contest: string
  /** The ratio, or the figure where there is no other side. */
  readonly figure: string
  readonly spread: string
  readonly goal: string
  /** `undefined`: there is no goal. */
  readonly met: boolean | undefined
  readonly ours: string
  readonly rival: string
  readonly theirs: string
  readonly caveat: string
}

const EMPTY = { goal: '', met: undefined, spread: '', ours: '', theirs: '', rival: '' } as const

export const rowOf = (result: Result): Row => {
  const { contest, caveat = '' } = result
  switch (result.kind) {
    case 'duel': {
      const { unit, goal, rival } = result
      const ratio = spreadOf(ratiosOf(result))
      return {
        contest,
        figure: quantity(ratio.median, 'times'),
        spread: spreadText(ratio, 'times'),
        goal: goal === undefined ? '' : `>= ${quantity(goal, 'times')}`,
        met: goal === undefined ? undefined : ratio.median >= goal,
        ours: quantity(spreadOf(result.ours).median, unit),
        rival,
        theirs: quantity(spreadOf(result.theirs).median, unit),
        caveat,
      }
    }
    case 'figure': {
      const { unit, goal, values, of } = result
      const spread = spreadOf(values)
      return {
        ...EMPTY,
        contest,
        figure: quantity(spread.median, unit),
        spread: spreadText(spread, unit),
        goal: goal === undefined ? '' : `<= ${quantity(goal, unit)}`,
        met: goal === undefined ? undefined : spread.median <= goal,
        rival: of,
        caveat,
      }
    }
    case 'curve': {
      const { goal, points, unit, axis } = result
      const growth = growthOf(result)
      const [first, last] = [points[0]!, points.at(-1)!]
      return {
        ...EMPTY,
        contest,
        figure: quantity(growth, 'times'),
        goal: goal === undefined ? '' : `<= ${quantity(goal, 'times')}`,
        met: goal === undefined ? undefined : growth <= goal,
        ours: `${quantity(spreadOf(first.values).median, unit)} at ${digits(first.at)}`,
        theirs: `${quantity(spreadOf(last.values).median, unit)} at ${digits(last.at)}`,
        rival: axis,
        caveat,
      }
    }
    case 'skipped':
      return { ...EMPTY, contest, figure: 'not measured', rival: result.of, caveat: result.reason }
  }
}

export const verdict = ({ met }: Row): string => (met === undefined ? '' : met ? 'met' : 'NOT MET')
