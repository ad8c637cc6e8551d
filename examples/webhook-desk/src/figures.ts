import { handlerNames, type HandlerName } from './journal.ts'

/** What a run comes down to, by name: expected from the data and the seed, and seen on the desk. */
export type Figures = Readonly<Record<FigureName, number>>

export type FigureName =
  | 'deliveries handled'
  | 'deliveries refused'
  | 'kinds counted'
  | `runs of ${HandlerName}`
  | 'failures thrown'
  | 'failures announced'
  | 'other failures'
  | 'follow-ups planned'
  | 'follow-ups fired'
  | 'events settled'
  | 'order violations'
  | 'broken audit links'
  | 'left at stop'

/** The figures that count the runs of each handler. */
export const runFigures = (count: (handler: HandlerName) => number): Record<`runs of ${HandlerName}`, number> =>
  Object.fromEntries(handlerNames.map((name) => [`runs of ${name}`, count(name)])) as ReturnType<typeof runFigures>

/** One line for each figure that is not what it should be. */
export const differences = (seen: Figures, expected: Figures): string[] =>
  (Object.keys(expected) as FigureName[])
    .filter((name) => seen[name] !== expected[name])
    .map((name) => `${name}: ${seen[name]} instead of ${expected[name]}`)
