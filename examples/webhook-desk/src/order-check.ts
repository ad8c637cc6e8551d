import type { HandlerName, Run } from './journal.ts'

/** The order that the handlers of one event must keep. Written down again here, so that the desk cannot vouch for itself. */
const groups: Readonly<Record<HandlerName, number | undefined>> = {
  audit: 1,
  triage: 2,
  label: 3,
  remind: 3,
  notify: 4,
  count: 5,
  incident: 1,
  inform: 2,
  'follow-up': 1,
  // Part of the triage that it answers to.
  page: undefined,
}

export interface OrderViolation {
  readonly rule:
    | 'a group waits for the group before'
    | 'a lane does one event at a time'
    | 'a lane keeps its order'
    | 'a handler runs again only after a failure or a kill'
  readonly lane: string
  readonly detail: string
}

/** Processes that were killed, by number. */
type Killed = ReadonlySet<number>

/**
 * Holds the recorded times against the promises of the desk. It knows nothing of the bus.
 *
 * A handler that has failed may run again before anything else of its event goes on. A replay of dead letters is left out: it has no place in
 * the order any more. A kill allows this much: the handlers of an event whose process was killed may run again in a later process, unless an
 * event behind it in its lane had begun already (then it was done with, and would now come out of order).
 */
export function checkOrder(runs: readonly Run[], killed: Killed = new Set()): OrderViolation[] {
  const ordered = runs.filter(({ handler, isReplay }) => groups[handler] !== undefined && !isReplay)
  const events = [...Map.groupBy(ordered, ({ messageId }) => messageId).values()]
  const lanes = Map.groupBy(events, ([first]) => first!.lane)
  // A run that a kill has cut short was over when the next process began.
  const begins = new Map<number, number>()
  for (const { process, startedAt } of runs) begins.set(process, Math.min(startedAt, begins.get(process) ?? Infinity))
  const overAt = ({ process, endedAt }: Run): number => {
    if (endedAt !== undefined) return endedAt
    if (!killed.has(process)) return Infinity
    return Math.min(...[...begins].flatMap(([other, at]) => (other > process ? [at] : [])))
  }
  return [
    ...events.flatMap(checkGroups),
    ...events.flatMap((event) => checkRepeats(event, killed)),
    ...[...lanes.values()].flatMap((lane) => checkLane(lane, overAt)),
  ]
}

const endOf = ({ endedAt = Infinity }: Run): number => endedAt

/** No handler starts before every handler of every earlier group has ended, in this process or in one before. */
function checkGroups(runs: readonly Run[]): OrderViolation[] {
  const violations: OrderViolation[] = []
  for (const run of runs) {
    const earlier = runs.filter(({ handler }) => groups[handler]! < groups[run.handler]!)
    for (const own of Map.groupBy(earlier, ({ handler }) => handler).values()) {
      const waitedFor = own.findLast(({ process }) => process <= run.process) ?? own[0]!
      if (run.startedAt >= endOf(waitedFor)) continue
      violations.push({
        rule: 'a group waits for the group before',
        lane: run.lane,
        detail: `'${run.handler}' of ${describe(run)} started before '${waitedFor.handler}' had ended`,
      })
    }
  }
  return violations
}

/** A handler runs once for an event; again only when it has failed, or the process that ran it was killed. */
function checkRepeats(runs: readonly Run[], killed: Killed): OrderViolation[] {
  return runs.flatMap((run, index) => {
    const before = runs.slice(0, index).findLast(({ handler }) => handler === run.handler)
    if (before === undefined || (before.process < run.process && killed.has(before.process))) return []
    if (before.failed && run.startedAt >= endOf(before)) return []
    return {
      rule: 'a handler runs again only after a failure or a kill' as const,
      lane: run.lane,
      detail: `'${run.handler}' ran twice for ${describe(run)}`,
    }
  })
}

/** No event starts before the one ahead of it has ended, and deliveries start in the order they came in. */
function checkLane(events: readonly (readonly Run[])[], overAt: (run: Run) => number): OrderViolation[] {
  const violations: OrderViolation[] = []
  const spans = events
    .flatMap((runs) => [...Map.groupBy(runs, ({ process }) => process).values()])
    .map((runs) => ({
      run: runs[0]!,
      startedAt: Math.min(...runs.map(({ startedAt }) => startedAt)),
      endedAt: Math.max(...runs.map(overAt)),
    }))
    .toSorted((a, b) => a.startedAt - b.startedAt)
  let freeAt = -Infinity
  let newest: Run | undefined
  for (const { run, startedAt, endedAt } of spans) {
    if (startedAt < freeAt) {
      violations.push({
        rule: 'a lane does one event at a time',
        lane: run.lane,
        detail: `${describe(run)} started while another event ran`,
      })
    }
    freeAt = Math.max(freeAt, endedAt)
    if (run.delivery === undefined) continue
    if (newest?.delivery !== undefined && run.delivery < newest.delivery) {
      violations.push({
        rule: 'a lane keeps its order',
        lane: run.lane,
        detail: `${describe(run)} started after ${describe(newest)}`,
      })
    } else newest = run
  }
  return violations
}

const describe = ({ delivery, messageId }: Run): string =>
  delivery === undefined ? `event ${messageId}` : `delivery ${delivery}`
