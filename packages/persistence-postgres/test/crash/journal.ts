import { readFileSync } from 'node:fs'
import { GROUP_OF, UNORDERED } from './job.ts'

/** One line of the file that the workers write. */
export interface Entry {
  readonly step: 'start' | 'end'
  readonly handler: string
  readonly id: string
  readonly lane: string
  readonly seq: number
  readonly pid: number
}

/** What the file says, counted exactly. */
export interface Verdict {
  /** Handlers of published events that never ended. */
  readonly lost: number
  /** Starts of a handler while one of an earlier group of its event had not ended. */
  readonly groupViolations: number
  /** Starts of an event of a named lane after a later one of the lane had started, or before the one before had ended. */
  readonly laneViolations: number
  /** Starts of a handler that had been started before for the same event. */
  readonly repeated: number
  /** Those of them where the process of the run before was not killed. */
  readonly unexplained: number
}

export const readJournal = (file: string): readonly Entry[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)

/** Judges by the file alone, in which lines stand in the order of time. */
export const judge = (
  entries: readonly Entry[],
  published: ReadonlySet<string>,
  killed: ReadonlySet<number>,
): Verdict => {
  const byEvent = Map.groupBy(entries, ({ id }) => id)
  const byLane = Map.groupBy(
    entries.filter(({ lane }) => lane !== UNORDERED && lane !== 'BUS'),
    ({ lane }) => lane,
  )
  const runs = [...byEvent.values()].map((events) => repetitions(events, killed))
  return {
    lost: [...published].reduce((sum, id) => sum + unfinished(byEvent.get(id) ?? []), 0),
    groupViolations: [...byEvent.values()].reduce((sum, events) => sum + groupViolations(events), 0),
    laneViolations: [...byLane.values()].reduce((sum, events) => sum + laneViolations(events), 0),
    repeated: runs.reduce((sum, { repeated }) => sum + repeated, 0),
    unexplained: runs.reduce((sum, { unexplained }) => sum + unexplained, 0),
  }
}

const handlers = Object.keys(GROUP_OF)

const unfinished = (entries: readonly Entry[]): number => {
  const ended = new Set(entries.filter(({ step }) => step === 'end').map(({ handler }) => handler))
  return handlers.filter((handler) => !ended.has(handler)).length
}

const groupViolations = (entries: readonly Entry[]): number => {
  const ended = new Set<string>()
  let violations = 0
  for (const { step, handler } of entries) {
    if (step === 'end') ended.add(handler)
    else if (handlers.some((other) => GROUP_OF[other]! < GROUP_OF[handler]! && !ended.has(other))) violations++
  }
  return violations
}

const laneViolations = (entries: readonly Entry[]): number => {
  const endedOf = new Map<number, Set<string>>()
  let latest = 0
  let violations = 0
  for (const { step, handler, seq } of entries) {
    if (step === 'end') {
      const ended = endedOf.get(seq) ?? new Set()
      endedOf.set(seq, ended.add(handler))
    } else if (seq < latest) violations++
    else if (seq > latest) {
      for (let before = latest; before < seq; before++) {
        if (before > 0 && endedOf.get(before)?.size !== handlers.length) violations++
      }
      latest = seq
    }
  }
  return violations
}

const repetitions = (
  entries: readonly Entry[],
  killed: ReadonlySet<number>,
): { readonly repeated: number; readonly unexplained: number } => {
  const lastPid = new Map<string, number>()
  let repeated = 0
  let unexplained = 0
  for (const { step, handler, pid } of entries) {
    if (step === 'end') continue
    const before = lastPid.get(handler)
    if (before !== undefined) repeated++
    if (before !== undefined && !killed.has(before)) unexplained++
    lastPid.set(handler, pid)
  }
  return { repeated, unexplained }
}
