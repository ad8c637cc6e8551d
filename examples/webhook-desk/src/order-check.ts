import type { HandlerName, Run } from './journal.ts'

/** The order that the handlers of one event must keep. Written down again here, so that the desk cannot vouch for itself. */
const groups: Readonly<Record<HandlerName, number | undefined>> = {
  audit: 1,
  triage: 2,
  label: 3,
  remind: 3,
  notify: 4,
  count: 5,
  'follow-up': 1,
  // Part of the triage that it answers to.
  page: undefined,
}

export interface OrderViolation {
  readonly rule: 'a group waits for the group before' | 'a lane does one event at a time' | 'a lane keeps its order'
  readonly lane: string
  readonly detail: string
}

/** Holds the recorded times against the two promises of the desk. It knows nothing of the bus. */
export function checkOrder(runs: readonly Run[]): OrderViolation[] {
  const ordered = runs.filter(({ handler }) => groups[handler] !== undefined)
  const events = [...Map.groupBy(ordered, ({ messageId }) => messageId).values()]
  const lanes = Map.groupBy(events, ([first]) => first!.lane)
  return [...events.flatMap(checkGroups), ...[...lanes.values()].flatMap(checkLane)]
}

const endOf = ({ endedAt = Infinity }: Run): number => endedAt

/** No handler starts before every handler of every earlier group has ended. */
function checkGroups(runs: readonly Run[]): OrderViolation[] {
  const violations: OrderViolation[] = []
  for (const run of runs) {
    for (const earlier of runs) {
      if (groups[earlier.handler]! >= groups[run.handler]! || run.startedAt >= endOf(earlier)) continue
      violations.push({
        rule: 'a group waits for the group before',
        lane: run.lane,
        detail: `'${run.handler}' of ${describe(run)} started before '${earlier.handler}' had ended`,
      })
    }
  }
  return violations
}

/** No event starts before the one ahead of it has ended, and deliveries start in the order they came in. */
function checkLane(events: readonly (readonly Run[])[]): OrderViolation[] {
  const violations: OrderViolation[] = []
  const spans = events
    .map((runs) => ({
      run: runs[0]!,
      startedAt: Math.min(...runs.map(({ startedAt }) => startedAt)),
      endedAt: Math.max(...runs.map(endOf)),
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
