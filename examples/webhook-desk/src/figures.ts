import { handlerNames, type HandlerName, type Run } from './journal.ts'

/** What the journal tells, of one process or of many. A handler that a kill has made run again counts once. */
export type JournalFigures = Readonly<Record<JournalFigureName, number>>

type JournalFigureName =
  | 'deliveries handled'
  | 'kinds counted'
  | `runs of ${HandlerName}`
  | 'failures thrown'
  | 'order violations'

/** What a run in one process comes down to, by name: expected from the data and the seed, and seen on the desk. */
export type Figures = JournalFigures & Readonly<Record<DeskFigureName | StoreFigureName, number>>

type DeskFigureName =
  | 'failures announced'
  | 'other failures'
  | 'retries'
  | 'dead letters replayed'
  | 'dead letters left'
  | 'follow-ups planned'
  | 'events settled'
  | 'broken audit links'
  | 'left at stop'

/** What a run whose deliveries are stored comes down to, however many processes it took. */
export type DurableFigures = JournalFigures & Readonly<Record<StoreFigureName, number>>

type StoreFigureName = 'deliveries refused' | 'dead letters' | 'left in the store'

/** The figures that count the runs of each handler. */
export const runFigures = (count: (handler: HandlerName) => number): Record<`runs of ${HandlerName}`, number> =>
  Object.fromEntries(handlerNames.map((name) => [`runs of ${name}`, count(name)])) as ReturnType<typeof runFigures>

export function journalFigures(runs: readonly Run[], violations: number): JournalFigures {
  const ended = new Map<string, Run>()
  for (const run of runs) if (run.endedAt !== undefined) ended.set(workOf(run), run)
  const done = [...ended.values()]
  const counted = done.filter(({ handler }) => handler === 'count')
  return {
    'deliveries handled': new Set(counted.map(({ delivery }) => delivery)).size,
    'kinds counted': new Set(counted.map(({ kind }) => kind)).size,
    ...runFigures((name) => done.filter(({ handler }) => handler === name).length),
    'failures thrown': done.filter(({ failed }) => failed).length,
    'order violations': violations,
  }
}

/** How often a handler ran again after it had failed, where nothing was killed. */
export const retries = (runs: readonly Run[]): number => runs.length - new Set(runs.map(workOf)).size

/** What a run is for. A command is a new one each time; what it is part of is not. */
const workOf = ({ handler, messageId, causeId }: Run): string =>
  `${handler} ${handler === 'page' ? causeId : messageId}`

/** What kills have made run again: deliveries with a handler that started more than once, and how many times in all. */
export function repeated(runs: readonly Run[]): { readonly deliveries: number; readonly runs: number } {
  // What ran again because it had failed was no kill's doing.
  const others = runs.filter(({ failed, endedAt }) => !failed || endedAt === undefined)
  const again = [...Map.groupBy(others, workOf).values()].filter(({ length }) => length > 1)
  const deliveries = new Set(again.flatMap(([run]) => run!.delivery ?? []))
  return { deliveries: deliveries.size, runs: again.reduce((sum, { length }) => sum + length - 1, 0) }
}

/** One line for each figure that is not what it should be. */
export const differences = <Name extends string>(
  seen: Readonly<Record<Name, number>>,
  expected: Readonly<Record<Name, number>>,
): string[] =>
  (Object.keys(expected) as Name[])
    .filter((name) => seen[name] !== expected[name])
    .map((name) => `${name}: ${seen[name]} instead of ${expected[name]}`)
